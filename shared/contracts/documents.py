"""The published documents, generated from the types: JSON Schema per topic, AsyncAPI for Kafka, OpenAPI for ingest.

`python -m shared.contracts.documents docs/reference` writes them; a test fails when the checked-in files differ.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from shared.contracts.alert import AlertRecord, CustomerRisk
from shared.contracts.control import Control
from shared.contracts.dead_letter import DeadLetter
from shared.contracts.enriched import EnrichedEvent
from shared.contracts.event import Event
from shared.contracts.identity import HandleOwner, IdentityNotice, LinkClaimed, LinkDissolved
from shared.topics import CHURN_ALERTS, CHURN_RISK, DEAD_LETTERS, ENRICHED, IDENTITIES, INTERACTIONS, TOPICS, Topic

API_VERSION = "1.0.0"

# What stands in each topic whose contract is public; state topics, and histories on the move between customers, are
# their owner's business.
PAYLOADS: dict[Topic, Any] = {
    INTERACTIONS: Event | Control | LinkClaimed | LinkDissolved,
    ENRICHED: EnrichedEvent | Control | IdentityNotice,
    CHURN_ALERTS: AlertRecord,
    CHURN_RISK: CustomerRisk,
    IDENTITIES: HandleOwner,
    DEAD_LETTERS: DeadLetter,
}

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(topic: Topic) -> dict[str, Any]:
    """Return the JSON Schema of a topic's values."""
    schema = msgspec.json.schema(PAYLOADS[topic])
    return {"$schema": _DIALECT, "title": topic.schema, **schema}


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: every topic, its key, its writers and readers, its messages."""
    _, components = msgspec.json.schema_components(PAYLOADS.values(), ref_template="#/components/schemas/{name}")
    payloads, _ = msgspec.json.schema_components(PAYLOADS.values(), ref_template="#/components/schemas/{name}")
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    schema_of = dict(zip(PAYLOADS, payloads, strict=True))
    for topic in TOPICS:
        days = f"{topic.retention.days} days" if topic.retention else "for ever"
        channel: dict[str, Any] = {
            "address": f"{{prefix}}{topic.name}",
            "parameters": {"prefix": {"description": "PULSELINE_TOPIC_PREFIX, empty by default"}},
            "description": f"Keyed by {topic.key}; cleanup {topic.cleanup}, kept {days}. "
            f"Written by {', '.join(topic.writers)}; read by {', '.join(topic.readers)}.",
            "messages": {},
        }
        if topic in schema_of:
            channel["messages"]["value"] = {
                "name": topic.schema,
                "contentType": "application/json",
                "headers": _KAFKA_HEADERS,
                "payload": schema_of[topic],
            }
        channels[_identifier(topic)] = channel
        for role, action in ((topic.writers, "send"), (topic.readers, "receive")):
            for service in role:
                operations[f"{service.replace(' ', '_')}_{action}_{_identifier(topic)}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{_identifier(topic)}"},
                }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pulseline topics",
            "version": API_VERSION,
            "description": "Values are JSON; the `schema` header names the contract and its version.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": components},
    }


def ingest_openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the ingest service, whose hot routes are described by hand."""
    (event, rejected), components = msgspec.json.schema_components(
        (Event, _RejectedDocument), ref_template="#/components/schemas/{name}"
    )
    accepted = {
        "type": "object",
        "required": ["accepted", "rejected"],
        "properties": {"accepted": {"type": "integer"}, "rejected": {"type": "array", "items": rejected}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pulseline ingest", "version": API_VERSION},
        "paths": {
            "/v1/events": {
                "post": {
                    "operationId": "postEvents",
                    "summary": "Send one event, an array of events, NDJSON, or CloudEvents",
                    "description": "202 means the broker has every accepted event. On 503 or no answer send the same "
                    "again: events are known by source and id. At most 5,000 events, 5 MB, 256 KB an event; "
                    "Content-Encoding: gzip is understood.",
                    "security": [{"bearer": []}, {"apiKey": []}],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {"schema": {"anyOf": [event, {"type": "array", "items": event}]}},
                            "application/x-ndjson": {"schema": {"type": "string"}},
                            "application/cloudevents+json": {"schema": {"type": "object"}},
                            "application/cloudevents-batch+json": {
                                "schema": {"type": "array", "items": {"type": "object"}}
                            },
                        },
                    },
                    "responses": {
                        "202": {"description": "Accepted", "content": {"application/json": {"schema": accepted}}},
                        **_problems(400, 401, 403, 413, 415, 422, 429, 503),
                    },
                }
            },
            "/v1/channels/{connection}": {
                method: {
                    "operationId": f"{method}Channel",
                    "summary": summary,
                    "parameters": [
                        {"name": "connection", "in": "path", "required": True, "schema": {"type": "string"}}
                    ],
                    "responses": {"200": {"description": "Acknowledged"}, **_problems(401, 404, 413, 422, 503)},
                }
                for method, summary in (
                    ("get", "Answer a provider's challenge"),
                    ("post", "Take a provider's signed delivery"),
                )
            },
            **{
                f"/v1/{call}": {
                    "post": {
                        "operationId": f"segment{call.capitalize()}",
                        "summary": f"Take Segment's {call} from one of its server libraries",
                        "description": "The write key is the user of basic authentication, or writeKey in the body: a "
                        "Segment connection's, or an API key.",
                        "security": [{"basic": []}],
                        "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
                        "responses": {
                            "200": {"description": "The broker has it"},
                            **_problems(400, 401, 403, 413, 415, 429, 503),
                        },
                    }
                }
                for call in ("track", "identify", "page", "screen", "group", "alias", "batch")
            },
        },
        "components": {
            "schemas": {**components, "Problem": _PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


def documents() -> dict[str, dict[str, Any]]:
    """Return every generated document by file name."""
    schemas = {f"schemas/{topic.schema.replace('/', '.v')}.json": json_schema(topic) for topic in PAYLOADS}
    return {**schemas, "asyncapi.json": asyncapi(), "openapi-ingest.json": ingest_openapi()}


def render(document: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"


def main(folder: Path) -> None:
    for name, document in documents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render(document))


class _RejectedDocument(msgspec.Struct):
    """Why the event at `index` was refused; `pointer` is a JSON pointer into that event."""

    index: int
    pointer: str
    reason: str


def _identifier(topic: Topic) -> str:
    return topic.name.replace(".", "_").replace("-", "_")


def _problems(*statuses: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(status): {"description": _REASONS[status], "content": content} for status in statuses}


_REASONS = {
    400: "The body cannot be read",
    401: "No valid API key, or the signature does not verify",
    403: "The key's role may not send",
    404: "No such connection",
    413: "Too large",
    415: "Unknown content encoding",
    422: "No event is valid; `rejected` says why, one by one",
    429: "The key sends too fast; see Retry-After",
    503: "The broker did not acknowledge in time; send again after Retry-After",
}

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}

_KAFKA_HEADERS = {
    "type": "object",
    "properties": {
        "ce_id": {"type": "string"},
        "ce_type": {"type": "string"},
        "ce_source": {"type": "string"},
        "ce_time": {"type": "string", "format": "date-time"},
        "schema": {"type": "string"},
        "traceparent": {"type": "string"},
    },
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
