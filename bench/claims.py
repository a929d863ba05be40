"""How far a sentence's support can be told: claims that are true, false or unheard of.

Two sets. Our own (`samples/claims`) is for choosing thresholds: short passages of the kind that
organisations write, each with claims that it bears out, contradicts or says nothing about, and
with questions that it does and does not answer. ContractNLI's development part is for reporting:
a hypothesis against the whole of its contract.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.evaluation_sets import data_folder
from corpus.access import AuthorizedChunk, Gate, Principal, UncheckedChunk
from corpus.documents import Chunk, ChunkId, DocumentId, VersionId
from muniment.settings import CHECKOUT
from rag.citations import check_draft

CLAIMS = CHECKOUT / "samples" / "claims"
KINDS = {"E": "true", "C": "false", "N": "unheard of"}
CHOICES = {"Entailment": "E", "Contradiction": "C", "NotMentioned": "N"}
READER = Principal("bench", frozenset({"bench"}))

console = Console(highlight=False, width=100)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence, the text it is held against, and what is right.

    Attributes:
        sentence: What is claimed.
        text: The passage, or the whole contract.
        kind: "E" borne out, "C" contradicted, "N" not mentioned.
    """

    sentence: str
    text: str
    kind: str


def main() -> None:
    """Print, for each set, how many claims of each kind are called supported."""
    _show("Our own claims (samples/claims), for choosing", list(own_claims(CLAIMS)))
    data = data_folder()
    if data is None or not (data / "contractnli").is_dir():
        console.print("ContractNLI is not here (MUNIMENT_EVAL_DATA), so it is left out.")
        return
    _show("ContractNLI, development part, for reporting", list(contract_claims(data)))


def own_claims(folder: Path) -> Iterator[Claim]:
    """Yield the claims of our own passages; questions are left out."""
    for path in sorted(folder.glob("*.txt")):
        text = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            mark, _, rest = line.partition(":")
            if mark == "P":
                text = rest.strip()
            elif mark in KINDS:
                yield Claim(rest.strip(), text, mark)


def contract_claims(data: Path) -> Iterator[Claim]:
    """Yield ContractNLI's hypotheses, each against its whole contract."""
    known = json.loads((data / "contractnli" / "dev.json").read_text(encoding="utf-8"))
    for document in known["documents"]:
        for name, found in document["annotation_sets"][0]["annotations"].items():
            hypothesis = known["labels"][name]["hypothesis"]
            yield Claim(hypothesis, document["text"], CHOICES[found["choice"]])


def _show(title: str, claims: Sequence[Claim]) -> None:
    started = time.process_time()
    supported = [_is_supported(claim) for claim in claims]
    spent = time.process_time() - started
    total = Counter(claim.kind for claim in claims)
    called = Counter(claim.kind for claim, yes in zip(claims, supported, strict=True) if yes)
    table = Table(title=title)
    for column in ("claims that are", "claims", "called supported", "share"):
        table.add_column(column, justify="left" if column == "claims that are" else "right")
    for kind, name in KINDS.items():
        share = called[kind] / max(total[kind], 1)
        table.add_row(name, str(total[kind]), str(called[kind]), f"{share:.1%}")
    console.print(table)
    right = called["E"] / max(sum(called.values()), 1)
    console.print(
        f"Of what is called supported {right:.1%} is true; {spent / len(claims) * 1000:.1f} ms "
        "CPU a claim.\n"
    )


def _is_supported(claim: Claim) -> bool:
    checked = check_draft(claim.sentence, [_passage(claim.text)])
    return bool(checked) and all(sentence.quote is not None for sentence in checked)


def _passage(text: str) -> AuthorizedChunk:
    gate = Gate(admitting_lists=lambda _: (), readable_versions=lambda _, ids: ids)
    unchecked = UncheckedChunk(
        chunk_id=ChunkId("c"),
        document_id=DocumentId("d"),
        version_id=VersionId("v"),
        version_number=1,
        title="",
        path="",
        source_name="",
        chunk=Chunk(0, 0, len(text), heading_path=()),
        text=text,
    )
    return gate.authorize(READER, [unchecked])[0]


if __name__ == "__main__":
    main()
