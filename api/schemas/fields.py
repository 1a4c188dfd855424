"""Fields that several nouns share: text that is safe to store, addresses, public ids, moments."""

import ipaddress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate

from moderation.services.posts import canonical_key
from moderation.text import problems

MAX_BODY = 20_000
LONGEST_URL = 2048


class Coded(str):
    """A message of a validation that says, in ``code``, what is wrong for a script."""

    __slots__ = ("code",)
    code: str

    @classmethod
    def of(cls, code: str, detail: str) -> "Coded":
        """Return the message with its code."""
        message = cls(detail)
        message.code = code
        return message


class Text(fields.String):
    """A text that both databases can store: no NUL or other control characters but tab and line breaks, no endless accents.

    ``longest`` and ``shortest`` are in code points; ``visible`` asks for something that can be seen.
    """

    refused = ""

    def __init__(self, *, longest: int, shortest: int = 0, visible: bool = False, **options: Any) -> None:
        super().__init__(validate=validate.Length(min=shortest or None, max=longest), **options)
        self._longest = longest
        self._visible = visible

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **options))
        found = [
            Coded.of(problem.code, f"{problem.detail[:1].upper()}{problem.detail[1:]} (at character {problem.offset}).")
            for problem in problems(text, max_length=self._longest)
            if self._visible or problem.code != "empty"
        ]
        if any(char in text for char in self.refused):
            found.append(Coded.of("control-character", "This is one line: no tab, no line break."))
        if found:
            raise ValidationError(found)
        return text


def _described(options: dict[str, Any], **more: str | int) -> dict[str, Any]:
    """Return a field's options with what the description of the API says of its values, as far as a JSON schema can."""
    return {**options, "metadata": {**more, **options.get("metadata", {})}}


class Line(Text):
    """A short text on one line."""

    refused = "\t\n\r\x7f\u2028\u2029"

    def __init__(self, *, longest: int = 200, **options: Any) -> None:
        super().__init__(longest=longest, **options)


class Body(Text):
    """A comment's text: 1 to 20,000 characters of which some can be seen."""

    def __init__(self, **options: Any) -> None:
        super().__init__(longest=MAX_BODY, visible=True, **_described(options, minLength=1))


class PostKey(Line):
    """A post by the blog's own id or by an address of the page."""

    def __init__(self, **options: Any) -> None:
        super().__init__(longest=LONGEST_URL, shortest=1, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = super()._deserialize(value, attr, data, **options)
        try:
            canonical_key(text)
        except ValueError:
            raise ValidationError("Neither an id nor an address of a page.") from None
        return text


class Number(fields.Integer):
    """A whole number from ``least`` to ``most``, which both databases can store; in a body no text and no fraction."""

    def __init__(self, *, least: int = 0, most: int = 2**31 - 1, **options: Any) -> None:
        super().__init__(validate=validate.Range(min=least, max=most), **options)


class Url(Line):
    """An http or https address."""

    def __init__(self, **options: Any) -> None:
        super().__init__(longest=LONGEST_URL, **_described(options, format="uri", pattern="^[Hh][Tt][Tt][Pp][Ss]?://"))

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
        super().__init__(longest=35, **_described(options, pattern="^[A-Za-z0-9]{2,8}(-[A-Za-z0-9]{1,8})*$"))

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
