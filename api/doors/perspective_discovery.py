"""The discovery document: how Google's generic clients learn where to send what, here to us instead of to Google."""

from typing import Any, Final

TEXT: Final = {"type": "string"}
TEXTS: Final = {"type": "array", "items": TEXT}
TRUTH: Final = {"type": "boolean"}
SCORE_TYPE: Final = {
    "type": "string",
    "enum": ["SCORE_TYPE_UNSPECIFIED", "PROBABILITY", "STD_DEV_SCORE", "PERCENTILE", "RAW"],
    "enumDescriptions": ["The usual one: PROBABILITY.", "From 0 to 1.", "Not served.", "Not served.", "Not served."],
}


def _object(name: str, **properties: Any) -> tuple[str, dict[str, Any]]:
    return name, {"id": name, "type": "object", "properties": properties}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": name}


SCHEMAS: Final = dict(
    [
        _object(
            "TextEntry",
            text=TEXT,
            type={
                "type": "string",
                "enum": ["TEXT_TYPE_UNSPECIFIED", "PLAIN_TEXT", "HTML"],
                "enumDescriptions": ["The usual one: PLAIN_TEXT.", "Plain text.", "Not served."],
            },
            lang=TEXT,
        ),
        _object("ArticleAndParentComment", article=_ref("TextEntry"), parentComment=_ref("TextEntry")),
        _object(
            "Context",
            entries={"type": "array", "items": _ref("TextEntry")},
            articleAndParentComment=_ref("ArticleAndParentComment"),
        ),
        _object("AttributeParameters", scoreType=SCORE_TYPE, scoreThreshold={"type": "number", "format": "float"}),
        _object("Score", value={"type": "number", "format": "float"}, type=SCORE_TYPE),
        _object(
            "SpanScore",
            begin={"type": "integer", "format": "int32"},
            end={"type": "integer", "format": "int32"},
            score=_ref("Score"),
        ),
        _object("AttributeScores", summaryScore=_ref("Score"), spanScores={"type": "array", "items": _ref("SpanScore")}),
        _object(
            "AnalyzeCommentRequest",
            comment=_ref("TextEntry"),
            context=_ref("Context"),
            requestedAttributes={"type": "object", "additionalProperties": _ref("AttributeParameters")},
            languages=TEXTS,
            doNotStore=TRUTH,
            clientToken=TEXT,
            sessionId=TEXT,
            communityId=TEXT,
            spanAnnotations=TRUTH,
        ),
        _object(
            "AnalyzeCommentResponse",
            attributeScores={"type": "object", "additionalProperties": _ref("AttributeScores")},
            languages=TEXTS,
            detectedLanguages=TEXTS,
            clientToken=TEXT,
        ),
        _object(
            "SuggestCommentScoreRequest",
            comment=_ref("TextEntry"),
            context=_ref("Context"),
            attributeScores={"type": "object", "additionalProperties": _ref("AttributeScores")},
            languages=TEXTS,
            clientToken=TEXT,
            sessionId=TEXT,
            communityId=TEXT,
        ),
        _object("SuggestCommentScoreResponse", clientToken=TEXT, detectedLanguages=TEXTS, requestedLanguages=TEXTS),
    ]
)


def _method(name: str, path: str, message: str, description: str) -> dict[str, Any]:
    return {
        "id": f"commentanalyzer.comments.{name}",
        "path": f"v1alpha1/{path}",
        "flatPath": f"v1alpha1/{path}",
        "httpMethod": "POST",
        "description": description,
        "parameters": {},
        "parameterOrder": [],
        "request": _ref(f"{message}Request"),
        "response": _ref(f"{message}Response"),
    }


def document(root: str) -> dict[str, Any]:
    """Return the document of the service at ``root``, an address without a slash at its end."""
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": "commentanalyzer:v1alpha1",
        "name": "commentanalyzer",
        "canonicalName": "Comment Analyzer",
        "version": "v1alpha1",
        "revision": "20200405",
        "title": "Perspective Comment Analyzer API, answered by Tidegate",
        "description": "Scores of comments, and suggestions of better ones.",
        "protocol": "rest",
        "rootUrl": f"{root}/",
        "baseUrl": f"{root}/",
        "servicePath": "",
        "basePath": "",
        "batchPath": "batch",
        "parameters": {
            "key": {"type": "string", "location": "query", "description": "The key of the door."},
            "alt": {"type": "string", "location": "query", "enum": ["json"], "default": "json", "enumDescriptions": ["JSON"]},
            "fields": {"type": "string", "location": "query", "description": "Taken and not looked at."},
            "prettyPrint": {"type": "boolean", "location": "query", "default": "true", "description": "Taken and not looked at."},
            "$.xgafv": {"type": "string", "location": "query", "description": "Taken and not looked at."},
        },
        "schemas": SCHEMAS,
        "resources": {
            "comments": {
                "methods": {
                    "analyze": _method("analyze", "comments:analyze", "AnalyzeComment", "Score a comment; nothing is stored."),
                    "suggestscore": _method(
                        "suggestscore", "comments:suggestscore", "SuggestCommentScore", "Say what the scores ought to be."
                    ),
                }
            }
        },
    }
