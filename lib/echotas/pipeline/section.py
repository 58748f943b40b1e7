"""A checked section of a YAML file: no unknown keys, no silent conversion, every mistake one sentence."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["ParamsError", "Section", "read_yaml"]


class ParamsError(ValueError):
    """Parameters are not what the suite expects; the message names the file, the key, the rule and the value."""


class Section(BaseModel):
    """A part of `params.yaml`: no unknown keys, no silent conversion, no change after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def of(cls, values: Mapping[str, Any], source: str = "") -> Self:
        """Checked section from a plain mapping, as a notebook receives it.

        Args:
            values: The section's keys and values.
            source: File or section named in messages; the class name if empty.

        Raises:
            ParamsError: A key is unknown, missing or wrong.
        """
        if not isinstance(values, Mapping):
            raise ParamsError(f"{source or cls.__name__} must be a mapping of keys to values, got {values!r}")
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            problems = [_sentence(item, cls) for item in error.errors()]
            raise ParamsError(f"{source or cls.__name__}: {'; '.join(problems)}") from None


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML mapping; keys given twice are refused, and `1e-3` is a number as in YAML 1.2 (and in DVC)."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.load(text, _Loader)
    except OSError as error:
        raise ParamsError(f"{path.name}: cannot be read ({error.strerror or error})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path.name}: is not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path.name}: must be a mapping of keys to values, got {type(values).__name__}")
    return values


class _Loader(yaml.SafeLoader):
    """Safe loader with YAML 1.2 floats that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"), list("-+0123456789.")
)


def _sentence(error: Any, model: type[Section]) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "the section"
    match error["type"]:
        case "extra_forbidden":
            key, known = str(error["loc"][-1]), _known_keys(model, error["loc"][:-1])
            close = difflib.get_close_matches(key, known, n=1)
            return f"{where} is not a known key; " + (
                f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            )
        case "missing":
            return f"{where} is missing"
        case "value_error":
            return f"{where}: {error['ctx']['error']}" if error["loc"] else str(error["ctx"]["error"])
    rule = error["msg"].removeprefix("Input should be ").removeprefix("Input should ")
    return f"{where} must be {rule}, got {error['input']!r}"


def _known_keys(model: type[Section], location: tuple[Any, ...]) -> list[str]:
    """Keys of the model that a location leads to; list positions are skipped."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            inner = _models_in(model.model_fields[part].annotation)
            if inner:
                model = inner[0]
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
