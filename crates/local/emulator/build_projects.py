"""CodeBuild projects keep the members that MiniStack drops, from the API and from CloudFormation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-codebuild-project.html
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import json_response
from ministack.services import codebuild
from ministack.services.cloudformation import provisioners

from emulator.seams import around

_KEPT = {
    "SecondarySources": "secondarySources",
    "SecondarySourceVersions": "secondarySourceVersions",
    "LogsConfig": "logsConfig",
    "QueuedTimeoutInMinutes": "queuedTimeoutInMinutes",
    "ConcurrentBuildLimit": "concurrentBuildLimit",
}


def install() -> None:
    for name in ("_create_project", "_update_project"):

        @around(name, codebuild)
        def save(original: Any, data: dict[str, Any]) -> Any:
            status, headers, body = original(data)
            if status != 200:
                return status, headers, body
            project = codebuild._projects[data["name"]]
            project.update({member: data[member] for member in _KEPT.values() if member in data})
            return json_response({"project": codebuild._project_shape(project)})

    @around("_project_shape", codebuild)
    def shape(original: Any, project: dict[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = original(project)
        return shown | {member: project[member] for member in _KEPT.values() if member in project}

    handlers = provisioners._RESOURCE_HANDLERS["AWS::CodeBuild::Project"]
    create, update = handlers["create"], handlers["update"]

    def create_whole(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        name, attributes = create(logical_id, props, stack_name)
        _keep(name, props)
        return name, attributes

    def update_whole(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Any:
        name, attributes = update(physical_id, old, new, stack_name)
        _keep(name, new)
        return name, attributes

    handlers |= {"create": create_whole, "update": update_whole}


def _keep(name: str, props: dict[str, Any]) -> None:
    project = codebuild._projects[name]
    for prop, member in _KEPT.items():
        if prop in props:
            project[member] = provisioners._codebuild_cfn_to_api(props[prop])
    # CloudFormation gives numbers of a template as text when they came through a parameter.
    for member in ("queuedTimeoutInMinutes", "concurrentBuildLimit"):
        if member in project:
            project[member] = int(project[member])
