"""Fields that several nouns share: text that is safe to store, addresses, public ids, moments."""

import ipaddress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate

from moderation.text import problems

MAX_BODY = 20_000
LONGEST_URL = 2048


class Line(fields.String):
    """A short text without control characters or bare surrogates, on one line."""

    def __init__(self, *, longest: int = 200, shortest: int = 0, **options: Any) -> None:
        super().__init__(validate=validate.Length(min=shortest, max=longest), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **options))
        if any(ord(char) < 32 or ord(char) == 127 for char in text) or "\ufffe" in text or "\uffff" in text:
            raise ValidationError("Control characters are not accepted.")
        return text


class Body(fields.String):
    """A comment's text: 1 to 20,000 characters, no control characters but tab and line breaks, no endless accents."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **options))
        if not text.strip():
            raise ValidationError("A comment needs some text.")
        found = problems(text, max_length=MAX_BODY)
        if found:
            raise ValidationError([f"{problem.detail} (at character {problem.offset})" for problem in found])
        return text


class Url(Line):
    """An http or https address."""

    def __init__(self, **options: Any) -> None:
        super().__init__(longest=LONGEST_URL, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = super()._deserialize(value, attr, data, **options)
        try:
            parts = urlsplit(text)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable or " " in text:
            raise ValidationError("Not an http or https address.")
        return text


class Moment(fields.AwareDateTime):
    """A moment as RFC 3339 with its offset."""

    def __init__(self, **options: Any) -> None:
        super().__init__(format="iso", **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> datetime:
        moment: datetime = super()._deserialize(value, attr, data, **options)
        if not 1970 <= moment.year <= 2200:
            raise ValidationError("A moment between 1970 and 2200, please.")
        return moment.astimezone(UTC)


class Language(Line):
    """A BCP 47 tag, such as ``de`` or ``pt-BR``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(longest=35, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = super()._deserialize(value, attr, data, **options)
        parts = text.split("-")
        if not 2 <= len(parts[0]) <= 8 or not all(part.isascii() and part.isalnum() and len(part) <= 8 for part in parts):
            raise ValidationError("Not a language tag.")
        return text


class Address(Line):
    """An IPv4 or IPv6 address."""

    def __init__(self, **options: Any) -> None:
        super().__init__(longest=64, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = super()._deserialize(value, attr, data, **options)
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ValidationError("Not an IP address.") from None
        return text
