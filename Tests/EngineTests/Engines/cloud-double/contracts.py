"""Holds requests and answers against what the vendors publish for machines: botocore's service models and Google's
discovery documents. What fits neither is refused as the service itself would refuse it."""

import json
import os
import re

import botocore.session
import botocore.validate
import googleapiclient

session = botocore.session.get_session()
MODELS = {"sagemaker": session.get_service_model("sagemaker"), "logs": session.get_service_model("logs")}


def discovery(name):
    folder = os.path.dirname(googleapiclient.__file__)
    with open(f"{folder}/discovery_cache/documents/{name}.json") as file:
        return json.load(file)


VERTEX, LOGGING = discovery("aiplatform.v1"), discovery("logging.v2")


class Refusal(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def invalid(message):
    return Refusal(400, "ValidationException", message)


def check_aws(shape, doc):
    report = botocore.validate.ParamValidator().validate(doc, shape)
    if report.has_errors():
        raise invalid(report.generate_report())
    check_constraints(shape, doc, "")


def check_constraints(shape, doc, path):
    """Patterns, maxima and enums, which botocore leaves to the service."""
    failed = "failed to satisfy constraint: Member must"
    most = shape.metadata.get("max")
    if shape.type_name == "structure":
        for key, value in doc.items():
            check_constraints(shape.members[key], value, f"{path}.{key}".lstrip("."))
    elif shape.type_name in ("list", "map"):
        if most is not None and len(doc) > most:
            raise invalid(f"Value at '{path}' {failed} have length less than or equal to {most}")
        for key, value in enumerate(doc) if shape.type_name == "list" else doc.items():
            if shape.type_name == "map":
                check_constraints(shape.key, key, f"{path}.key")
            inner = shape.member if shape.type_name == "list" else shape.value
            check_constraints(inner, value, f"{path}.{key}")
    elif shape.type_name == "string":
        pattern = shape.metadata.get("pattern")
        if getattr(shape, "enum", None) and doc not in shape.enum:
            raise invalid(f"Value '{doc}' at '{path}' {failed} satisfy enum value set: {shape.enum[:6]}")
        if pattern:
            for name, letters in ((r"\p{L}", "A-Za-z"), (r"\p{Z}", " "), (r"\p{N}", "0-9")):
                pattern = pattern.replace(name, letters)
            if not re.fullmatch(pattern, doc):
                raise invalid(f"Value '{doc}' at '{path}' {failed} satisfy regular expression pattern: {pattern}")
        if most is not None and len(doc) > most:
            raise invalid(f"Value at '{path}' {failed} have length less than or equal to {most}")
    elif shape.type_name in ("integer", "long") and most is not None and doc > most:
        raise invalid(f"Value '{doc}' at '{path}' {failed} have value less than or equal to {most}")


def check_google(document, schema, doc, path="", is_answer=False):
    """`schema` is a name in the document's schemas, or a schema itself."""
    if isinstance(schema, str):
        schema = document["schemas"][schema]
    if "$ref" in schema:
        return check_google(document, schema["$ref"], doc, path, is_answer)

    def bad(fact):
        return Refusal(400, "INVALID_ARGUMENT", f"Invalid value at '{path}': {fact}")

    kind, form = schema.get("type"), schema.get("format")
    if kind == "object":
        if not isinstance(doc, dict):
            raise bad("object wanted")
        properties = schema.get("properties")
        for key, value in doc.items():
            inner = f"{path}.{key}" if path else key
            if properties is None:
                if "additionalProperties" in schema:
                    check_google(document, schema["additionalProperties"], value, inner, is_answer)
            elif key not in properties:
                fact = f'Unknown name "{key}" at \'{path}\': Cannot find field.'
                raise Refusal(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {fact}")
            elif properties[key].get("readOnly") and not is_answer:
                raise bad(f"{key} is output only")
            else:
                check_google(document, properties[key], value, inner, is_answer)
    elif kind == "array":
        if not isinstance(doc, list):
            raise bad("array wanted")
        for index, value in enumerate(doc):
            check_google(document, schema["items"], value, f"{path}[{index}]", is_answer)
    elif kind == "string":
        if form == "int64" and isinstance(doc, int):
            return
        if not isinstance(doc, str):
            raise bad("string wanted")
        if form == "int64" and not re.fullmatch(r"-?\d+", doc):
            raise bad("int64 wanted")
        if form == "google-duration" and not re.fullmatch(r"\d+(\.\d+)?s", doc):
            raise bad("duration wanted, such as 60s")
        if "enum" in schema and doc not in schema["enum"]:
            raise bad(f"not one of {schema['enum'][:5]}...")
    elif kind == "integer" and (isinstance(doc, bool) or not isinstance(doc, int)):
        raise bad("integer wanted")
    elif kind == "boolean" and not isinstance(doc, bool):
        raise bad("boolean wanted")
