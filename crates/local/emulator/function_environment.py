"""What a function's process finds in its environment: what Lambda gives it, and nothing of the launcher.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
"""

from __future__ import annotations

from typing import Any

from ministack.services import lambda_svc

from emulator.seams import around

_LAUNCHERS_OWN = (
    "BIND_HOST",
    "MINISTACK_HOST",
    "GATEWAY_PORT",
    "MINISTACK_ACCOUNT_ID",
    "MINISTACK_REGION",
    "AUTH",
    "IOT_MTLS_ENABLED",
    "SFTP_ENABLED",
)


def install() -> None:
    @around("_provided_worker_env", lambda_svc)
    def environment(original: Any, config: dict[str, Any], code_dir: str, port: int) -> dict[str, str]:
        given: dict[str, str] = original(config, code_dir, port)
        own = (config.get("Environment") or {}).get("Variables") or {}
        for name in _LAUNCHERS_OWN:
            if name not in own:
                given.pop(name, None)
        logging = config.get("LoggingConfig") or {}
        name = config.get("FunctionName", "")
        given |= {
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
        }
        if logging.get("LogFormat") == "JSON":
            given["AWS_LAMBDA_LOG_LEVEL"] = logging.get("ApplicationLogLevel", "INFO")
        # The function's own variables win over all but the reserved ones.
        return given | {name: value for name, value in own.items() if not name.startswith("AWS_LAMBDA_")}
