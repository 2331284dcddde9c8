"""The OpenAPI document: routes as the framework sees them, schemas exactly as the types are decoded."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from services.publisher.api import answers, command_requests, requests
from services.publisher.api.problems import ProblemDocument
from services.publisher.media.uploads import StoredMedia

ABOUT = (
    "同播发布服务：接收活动与内容，检查是否符合每个平台的规则，写入日志。\n\n"
    "The publisher takes campaigns and contents, checks that they fit every platform, and puts them on the log. "
    "Errors are problem documents (RFC 9457), Chinese first."
)
TOKEN = (
    "访问令牌，带角色（publish、approve、operate、read）和品牌 / an access token with roles and brands: "
    "`tongbo token new`"
)
TYPES = (
    requests.CampaignRequest, requests.ContentRequest, requests.CheckRequest, requests.CancelRequest,
    answers.CampaignAccepted, answers.CampaignList, answers.CampaignStatus, answers.CancelAccepted,
    answers.ContentAccepted, answers.ContentStatus, answers.PlacementDetail, answers.PlacementList,
    command_requests.CommandRequest, command_requests.CommandAccepted, command_requests.BrakeList,
    StoredMedia, ProblemDocument,
)  # fmt: skip


class ExactSchemas(JsonRenderPlugin):
    """Litestar loses constraints of nested annotations, msgspec knows them: it decodes by them."""

    def __init__(self) -> None:
        super().__init__(path=["/", "/openapi.json"])

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        _, schemas = msgspec.json.schema_components(TYPES, ref_template="#/components/schemas/{name}")
        components = {**openapi_schema.get("components", {}), "schemas": schemas}
        return self.render_json(request, {**openapi_schema, "components": components})


def openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="同播发布服务 / tongbo publisher",
        version="1",
        description=ABOUT,
        path="/schema",
        use_handler_docstrings=True,
        security=[{"token": []}],
        components=Components(
            security_schemes={"token": SecurityScheme(type="http", scheme="bearer", description=TOKEN)}
        ),
        render_plugins=[ExactSchemas()],
    )
