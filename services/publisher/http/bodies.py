"""How JSON bodies reach the handlers: decoded strictly by decoding.py, described in OpenAPI by the same type."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from litestar.dto import AbstractDTO, DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition
from msgspec import Struct

from services.publisher.api.decoding import decoded

T = TypeVar("T", bound=Struct)


class StrictBody(AbstractDTO[T]):
    """Litestar's own decoding is lax ("3" passes for 3) and stops at the first error."""

    def decode_bytes(self, value: bytes) -> Any:
        return decoded(value, self.model_type)

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """No transfer model: the request type itself is decoded and described."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        described: Reference | Schema = schema_creator.for_field_definition(field_definition)
        return described

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        return False
