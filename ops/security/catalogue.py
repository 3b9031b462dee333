"""The rules of cdk-nag's packs, read from the code that runs.

cdk-nag reports only what it finds. Which rules a pack has, what each is about and which resources it looks at
is in the package's JavaScript, inside the archive that jsii loads.
"""

import ast
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_PACK_FILES = {
    "AwsSolutions": "aws-solutions",
    "NIST.800.53.R5": "nist-800-53-r5",
    "HIPAA.Security": "hipaa-security",
    "PCI.DSS.321": "pci-dss-321",
}
PACKS = tuple(_PACK_FILES)
TITLES = {
    "AwsSolutions": "AWS Solutions",
    "NIST.800.53.R5": "NIST 800-53 rev. 5",
    "HIPAA.Security": "HIPAA Security",
    "PCI.DSS.321": "PCI DSS 3.2.1",
}

_APPLIED = re.compile(r"this\.applyRule\(\{(.*?)\n\s*\}\);", re.DOTALL)
_LITERAL = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_INFO = re.compile(rf"info: ({_LITERAL})", re.DOTALL)
_EXPLANATION = re.compile(rf"explanation: ({_LITERAL})", re.DOTALL)
_SUFFIX = re.compile(r"ruleSuffixOverride: '([^']+)'")
_RULE = re.compile(r"rule: (\w+)_\d+\.(\w+),")
_LEVEL = re.compile(r"level: \w+\.NagMessageLevel\.(\w+),")
_CONTROLS = re.compile(r"^(?P<title>.*?)\.? - \(Control IDs?: (?P<controls>.*)\)\.?$", re.DOTALL)
_EXAMINED = re.compile(r"node instanceof (\w+)_\d+\.(Cfn\w+)")


@dataclass(frozen=True)
class Rule:
    """A rule of a pack; `classes` are the constructs that it looks at, as tree.json names them."""

    id: str
    pack: str
    level: str
    title: str
    explanation: str
    controls: tuple[str, ...]
    classes: frozenset[str]


@cache
def rules() -> Mapping[str, Rule]:
    """Return every rule of the four packs by its id."""
    members = _members()
    return {
        rule.id: rule
        for pack, file in _PACK_FILES.items()
        for rule in _rules_of(pack, members[f"package/lib/packs/{file}.js"], members)
    }


def _members() -> dict[str, str]:
    # Found rather than imported: importing it would start jsii, which takes seconds.
    found = find_spec("cdk_nag")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("cdk-nag is not installed")
    (archive,) = Path(found.origin).parent.glob("_jsii/*.jsii.tgz")
    with tarfile.open(archive) as tar:
        wanted = [each for each in tar if re.match(r"package/lib/(packs|rules)/.*\.js$", each.name)]
        # The source map behind the code repeats it.
        return {each.name: _text(tar, each).partition("\n//# sourceMappingURL")[0] for each in wanted}


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    stream = tar.extractfile(member)
    return "" if stream is None else stream.read().decode()


def _rules_of(pack: str, code: str, members: Mapping[str, str]) -> Iterator[Rule]:
    for match in _APPLIED.finditer(code):
        block = match[1]
        service, name = _found(_RULE, block).groups()
        suffix = _SUFFIX.search(block)
        info = str(ast.literal_eval(_found(_INFO, block)[1]))
        parts = _CONTROLS.match(info)
        yield Rule(
            id=f"{pack}-{suffix[1] if suffix else name}",
            pack=pack,
            level=_found(_LEVEL, block)[1].lower().removesuffix("ing"),
            title=(parts["title"] if parts else info).rstrip("."),
            explanation=str(ast.literal_eval(_found(_EXPLANATION, block)[1])),
            controls=tuple(parts["controls"].split(", ")) if parts else (),
            classes=_classes(members[f"package/lib/rules/{service}/{name}.js"]),
        )


def _found(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.search(text)
    if match is None:
        raise ValueError(f"cdk-nag writes its rules in another way than {pattern.pattern!r}: {text[:200]}")
    return match


def _classes(code: str) -> frozenset[str]:
    return frozenset(f"aws-cdk-lib.{module}.{name}" for module, name in _EXAMINED.findall(code))
