"""Statistics of exams and races as pure functions; they know nothing of agents, items or files."""

from staffroom.stats.alpha import LIFETIME_ALPHA, alpha_for_use
from staffroom.stats.beta import beta_cdf, beta_quantile, log_beta, student_t_quantile
from staffroom.stats.betting import (
    BettingTest,
    StakeMixture,
    betting_lower_bound,
    betting_p_value,
    betting_upper_bound,
)
from staffroom.stats.binomial import (
    clopper_pearson,
    lower_bound,
    lower_tail,
    upper_bound,
    upper_tail_p_value,
)
from staffroom.stats.clusters import ClusterValue, paired_clusters, single_clusters
from staffroom.stats.fixed import fixed_test, loss_bound_p_value, mcnemar_p_value, sign_flip_p_value
from staffroom.stats.hardstop import HardStop, clean_clusters_needed, hard_stop, most_violations
from staffroom.stats.intervals import Interval, cluster_interval, difference_interval
from staffroom.stats.judge import JudgeCalibration, corrected_rate
from staffroom.stats.pairwise import discordant_log_e_value
from staffroom.stats.planning import (
    can_ever_decide,
    items_needed,
    least_to_pass,
    most_to_reject,
    power_to_pass,
    power_to_reject,
)
from staffroom.stats.power import (
    Outlook,
    Plan,
    Power,
    clusters_needed,
    least_clusters,
    more_clusters,
    plan_test,
    sequential_power,
)
from staffroom.stats.sequential import (
    Claim,
    Evidence,
    Method,
    Outcome,
    SequentialTest,
    above_threshold,
    below_limit,
    non_inferior,
    superior,
)
from staffroom.stats.target import TargetBets

__all__ = [
    "LIFETIME_ALPHA",
    "BettingTest",
    "Claim",
    "ClusterValue",
    "Evidence",
    "HardStop",
    "Interval",
    "JudgeCalibration",
    "Method",
    "Outcome",
    "Outlook",
    "Plan",
    "Power",
    "SequentialTest",
    "StakeMixture",
    "TargetBets",
    "above_threshold",
    "alpha_for_use",
    "below_limit",
    "beta_cdf",
    "beta_quantile",
    "betting_lower_bound",
    "betting_p_value",
    "betting_upper_bound",
    "can_ever_decide",
    "clean_clusters_needed",
    "clopper_pearson",
    "cluster_interval",
    "clusters_needed",
    "corrected_rate",
    "difference_interval",
    "discordant_log_e_value",
    "fixed_test",
    "hard_stop",
    "items_needed",
    "least_clusters",
    "least_to_pass",
    "log_beta",
    "loss_bound_p_value",
    "lower_bound",
    "lower_tail",
    "mcnemar_p_value",
    "more_clusters",
    "most_to_reject",
    "most_violations",
    "non_inferior",
    "paired_clusters",
    "plan_test",
    "power_to_pass",
    "power_to_reject",
    "sequential_power",
    "sign_flip_p_value",
    "single_clusters",
    "student_t_quantile",
    "superior",
    "upper_bound",
    "upper_tail_p_value",
]
