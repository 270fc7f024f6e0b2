"""Makes the tables, then serves: `gunicorn project_wsgi:application`."""

from __future__ import annotations

import os

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "project_settings"
application = get_wsgi_application()
call_command("migrate", verbosity=0)
