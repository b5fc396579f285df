"""What a model is told when it makes examples from documents, by locale: packaged data (`data/making-*.yaml`)."""

from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse

__all__ = ["MakingWords", "making_words"]


class MakingWords(BaseModel):
    """Prompts with fields in braces, and the form of the answer to learn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    locale: str
    questions: str = Field(description="Asks for questions: {heading}, {text}, {count}.")
    grounded: str = Field(description="Asks the question with the passage: {heading}, {text}, {question}.")
    unanswered: tuple[str, ...] = Field(
        description="Words by which an answer says that the passage does not say."
    )
    closed: str = Field(description="Asks the question without the passage: {question}.")
    answer: str = Field(description="The answer to learn: {heading}, {quote}, {answer}.")

    @property
    def digest(self) -> str:
        """Digest of the wording."""
        return digest_value(self.model_dump(mode="json"))


def making_words(locale: str) -> MakingWords:
    """Return the wording of a locale; raises WrongUse where nobody wrote it."""
    source = files("staffroom.train").joinpath(f"data/making-{locale}.yaml")
    if not source.is_file():
        raise WrongUse(
            f"examples cannot be made from documents in {locale}: nobody wrote down how to ask for them",
            hint="bring questions and answers as CSV or JSON lines instead",
        )
    return MakingWords.model_validate(YAML(typ="safe").load(source.read_text(encoding="utf-8")))
