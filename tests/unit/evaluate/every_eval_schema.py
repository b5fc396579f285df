"""What Every Eval Ever demands of its records, as far as ours use it.

Written after the published types (evaleval/every_eval_ever, `eval_types.py` at 09496fc, `instance_level_types.py` at
21b3d1a) and the rules of its validator (`validation_core.py` at 076ff86): names, which are required, and their bounds.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Words = dict[str, str]
Share = Annotated[float, Field(ge=0, le=1)]


class _Open(BaseModel):
    """Other names are allowed there; here they are not, so that a misspelt one is found."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Source(_Open):
    source_name: str | None = None
    source_type: Literal["documentation", "evaluation_run"]
    source_organization_name: str
    evaluator_relationship: Literal["first_party", "third_party", "collaborative", "other"]


class Library(_Open):
    name: str
    version: str


class ModelDetails(_Open):
    deployment_type: Literal["self_deployed", "externally_managed", "unknown"]
    model_availability: Literal["open_weights", "closed_weights", "unknown"]
    agent: str
    what: str


class Model(_Open):
    name: str
    id: Annotated[str, Field(pattern=r"^[^/]+/[^/]+$")]
    additional_details: ModelDetails


class Data(_Open):
    dataset_name: str
    source_type: Literal["other"]
    additional_details: Words


class Metric(_Open):
    evaluation_description: str
    metric_id: str
    metric_name: str
    metric_kind: str
    metric_unit: str
    lower_is_better: bool
    score_type: Literal["continuous"]
    min_score: float
    max_score: float


class Interval(_Open):
    lower: Share
    upper: Share
    confidence_level: Share
    method: str


class Uncertainty(_Open):
    confidence_interval: Interval
    num_samples: int


class ScoreDetails(_Open):
    score: float
    details: Words
    uncertainty: Uncertainty


class Arguments(_Open):
    temperature: float


class Generation(_Open):
    generation_args: Arguments
    additional_details: Words


class Result(_Open):
    evaluation_result_id: str
    evaluation_name: str
    source_data: Data
    evaluation_timestamp: str
    metric_config: Metric
    score_details: ScoreDetails
    generation_config: Generation

    @model_validator(mode="after")
    def _score_in_bounds(self) -> "Result":
        assert self.metric_config.min_score <= self.score_details.score <= self.metric_config.max_score
        return self


_UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


class Detailed(_Open):
    format: Literal["jsonl"]
    file_path: Annotated[str, Field(pattern=rf"^data/[^/]+/[^/]+/[^/]+/{_UUID4}_samples\.jsonl$")]
    hash_algorithm: Literal["sha256", "md5"]
    checksum: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    total_rows: int


class Record(_Open):
    """eval.schema.json."""

    schema_version: str
    evaluation_id: str
    evaluation_timestamp: str
    retrieved_timestamp: Annotated[str, Field(pattern=r"^\d+$")]
    source_metadata: Source
    eval_library: Library
    model_info: Model
    evaluation_results: list[Result]
    detailed_evaluation_results: Detailed | None = None


class Input(_Open):
    raw: str
    formatted: str | None
    reference: list[str]
    choices: list[str] | None


class Output(_Open):
    raw: list[str]


class Attribution(_Open):
    turn_idx: Annotated[int, Field(ge=0)]
    source: str
    extracted_value: str
    extraction_method: str
    is_terminal: bool


class Judged(_Open):
    score: float
    is_correct: bool


class Usage(_Open):
    input_tokens: Annotated[int, Field(ge=0)]
    output_tokens: Annotated[int, Field(ge=0)]
    total_tokens: Annotated[int, Field(ge=0)]


class Performance(_Open):
    latency_ms: Annotated[float, Field(ge=0)]


class Instance(_Open):
    """instance_level_eval.schema.json; a single turn has an output and no messages."""

    schema_version: str
    evaluation_id: str
    model_id: str
    evaluation_name: str
    evaluation_result_id: str
    sample_id: str
    sample_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    interaction_type: Literal["single_turn"]
    input: Input
    output: Output
    messages: None
    answer_attribution: list[Attribution]
    evaluation: Judged
    token_usage: Usage
    performance: Performance
    error: str | None
    metadata: Words
