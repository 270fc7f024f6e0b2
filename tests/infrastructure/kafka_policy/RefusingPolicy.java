import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.server.policy.AlterConfigPolicy;
import org.apache.kafka.server.policy.CreateTopicPolicy;

/**
 * Refuses topic settings, as managed brokers do. The broker's setting `refused.settings` names them by the beginning of
 * the topic's name: "one=segment.bytes,segment.ms;two=replication.factor". The last refuses every new topic.
 */
public final class RefusingPolicy implements CreateTopicPolicy, AlterConfigPolicy {
    private String rules = "";

    @Override
    public void configure(Map<String, ?> settings) {
        rules = String.valueOf(settings.get("refused.settings"));
    }

    @Override
    public void validate(CreateTopicPolicy.RequestMetadata request) {
        refuse(request.topic(), Set.of("replication.factor"));
        refuse(request.topic(), request.configs().keySet());
    }

    @Override
    public void validate(AlterConfigPolicy.RequestMetadata request) {
        refuse(request.resource().name(), request.configs().keySet());
    }

    private void refuse(String topic, Set<String> settings) {
        for (String rule : rules.split(";")) {
            String[] parts = rule.split("=");
            if (topic.startsWith(parts[0]) && Arrays.stream(parts[1].split(",")).anyMatch(settings::contains)) {
                throw new PolicyViolationException("refused");
            }
        }
    }

    @Override
    public void close() {
    }
}
