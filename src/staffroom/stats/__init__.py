"""Statistics of exams and races as pure functions; they know nothing of agents, items or files."""

from staffroom.stats.alpha import LIFETIME_ALPHA, alpha_for_use
from staffroom.stats.beta import beta_cdf, beta_quantile, log_beta, student_t_quantile
from staffroom.stats.betting import BettingTest, betting_lower_bound, betting_p_value, betting_upper_bound
from staffroom.stats.binomial import (
    clopper_pearson,
    lower_bound,
    lower_tail,
    upper_bound,
    upper_tail_p_value,
)
from staffroom.stats.intervals import Interval, cluster_interval
from staffroom.stats.pairwise import (
    DifferenceTest,
    EquivalenceTest,
    difference_log_e_value,
    discordant_log_e_value,
)
from staffroom.stats.planning import (
    can_ever_decide,
    items_needed,
    least_to_pass,
    most_to_reject,
    power_to_pass,
    power_to_reject,
)

__all__ = [
    "LIFETIME_ALPHA",
    "BettingTest",
    "DifferenceTest",
    "EquivalenceTest",
    "Interval",
    "alpha_for_use",
    "beta_cdf",
    "beta_quantile",
    "betting_lower_bound",
    "betting_p_value",
    "betting_upper_bound",
    "can_ever_decide",
    "clopper_pearson",
    "cluster_interval",
    "difference_log_e_value",
    "discordant_log_e_value",
    "items_needed",
    "least_to_pass",
    "log_beta",
    "lower_bound",
    "lower_tail",
    "most_to_reject",
    "power_to_pass",
    "power_to_reject",
    "student_t_quantile",
    "upper_bound",
    "upper_tail_p_value",
]
