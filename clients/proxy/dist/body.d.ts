/**
 * The bytes of a POST to pass on: as sent where they are JSON, else `{}`, which the gateway refuses by its own words.
 * Throws ProxyError unsupported_type or too_large.
 */
export declare function requestBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>>;
/** All bytes of a stream; undefined, and the stream cancelled, where there are more than `maxBytes`. */
export declare function readBounded(stream: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
/** Whether these bytes are JSON in UTF-8, without a byte order mark (RFC 8259, 8.1). */
export declare function isJson(bytes: Uint8Array): boolean;
