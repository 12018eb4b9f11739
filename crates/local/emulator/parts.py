"""Everything the launcher adds, put in place. Imported only after the environment is prepared."""

from __future__ import annotations

from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from emulator import (
    alarm_states,
    alarms,
    async_invocations,
    build_projects,
    builds,
    callbacks,
    cloudwatch_protocols,
    cloudwatch_queries,
    composite_alarms,
    control,
    event_relay,
    events,
    executions,
    failures,
    foreign_buckets,
    function_environment,
    function_metrics,
    http_apis,
    inbox,
    missing_objects,
    permissions,
    processes,
    retries,
    schedules,
    secure_transport,
    stack_events,
    tagged_alarms,
    transitions,
)
from emulator.settings import Settings


def install(settings: Settings) -> Any:
    """Reach into MiniStack; the application to serve."""
    processes.group_functions(lambda_runtime, lambda_svc)
    secure_transport.install()
    failures.install()
    # Around the failures: they are told as the protocol tells them.
    cloudwatch_protocols.install()
    events.install()
    event_relay.install()
    stack_events.install()
    async_invocations.install(settings.schedule_scale)
    schedules.install(settings.schedule_scale)
    permissions.install()
    foreign_buckets.install()
    missing_objects.install()
    function_environment.install()
    function_metrics.install()
    http_apis.install(settings.endpoint)
    alarm_states.install()
    alarms.install()
    composite_alarms.install()
    tagged_alarms.install()
    cloudwatch_queries.install()
    inbox.install(settings.auto_confirm_mail, settings.leave_pending)
    build_projects.install()
    builds.install(settings)
    callbacks.install()
    executions.install()
    retries.install(settings.wait_scale)
    transitions.install()
    return control.beside(app.app)
