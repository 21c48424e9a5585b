"""The dashboard of Genesys: the budget and who spends it, answers, posts of which nobody knows."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from grafana.frame import framed
from grafana.panels import lines, quantiles, section

REFUSED: Final = '{*,status=~"401|403|429"}'
CALLS_A_POST: Final = (
    'sum(rate(previews_genesys_calls_total{*,call!="token"}[$__rate_interval]))'
    ' / sum(rate(previews_outcomes_total{*,outcome="linked"}[$__rate_interval]))'
)


def dashboard() -> Dashboard:
    """Return the dashboard of Genesys."""
    made = framed(
        "previews-genesys",
        "The budget of calls, what Genesys answers, and what may have been said.",
        job="worker",
    )
    _calls(made)
    _rate(made)
    _trouble(made)
    _posts(made)
    return made


def _calls(made: Dashboard) -> None:
    section(
        made,
        "Calls",
        lines(
            "Calls a minute",
            "By call, all workers together, without tokens; the most is GENESYS_CALLS_PER_MINUTE for each client.",
            units.Short,
            (
                'sum by (call) (rate(previews_genesys_calls_total{*,call!="token"}[$__rate_interval])) * 60 > 0',
                "{{call}}",
            ),
            alerts=["RateShareExhausted"],
            stacked=True,
            span=8,
        ),
        lines(
            "Answers a minute",
            "By status: an HTTP code, timeout or dropped.",
            units.Short,
            ("sum by (status) (rate(previews_genesys_calls_total{*}[$__rate_interval])) * 60 > 0", "{{status}}"),
            alerts=["GenesysForbids", "GenesysLimits"],
            stacked=True,
            span=8,
        ),
        lines(
            "Time of a call",
            "95th percentile, by call; GENESYS_TIMEOUT_SECONDS is the end of it.",
            units.Seconds,
            *quantiles("previews_genesys_call_seconds", "call"),
            alerts=["PostsUncertain"],
            span=8,
        ),
    )


def _rate(made: Dashboard) -> None:
    section(
        made,
        "Rate",
        lines(
            "Calls that wait for their turn",
            "On average, all workers together. Above 1 for long: the budget is used up.",
            units.Short,
            ("sum(rate(previews_rate_wait_seconds_total{*}[$__rate_interval]))", "waiting"),
            alerts=["RateShareExhausted"],
            span=8,
        ),
        lines(
            "Calls that may be made at once",
            "What is left of the budget, by OAuth client, all workers together.",
            units.Short,
            ("sum by (client) (previews_rate_share_tokens{*})", "client {{client}}"),
            alerts=["RateShareExhausted"],
            span=8,
        ),
        lines(
            "Shares of the budget",
            "By worker. Together they are 1 when every partition of [previews] has an owner.",
            units.PercentUnit,
            ("sum by (instance) (previews_rate_share_ratio{*})", "{{instance}}"),
            stacked=True,
            span=8,
        ),
    )


def _trouble(made: Dashboard) -> None:
    section(
        made,
        "Trouble",
        lines(
            "429, 401 and 403 a minute",
            "429: somebody else spends the budget too. 401, 403: a client, role or division is to be mended.",
            units.Short,
            (
                f"sum by (call, status) (rate(previews_genesys_calls_total{REFUSED}[$__rate_interval])) * 60 > 0",
                "{{status}} {{call}}",
            ),
            alerts=["GenesysForbids", "GenesysLimits"],
            span=8,
        ),
        lines(
            "OAuth clients refused",
            "1 while Genesys refuses a client, by its place in GENESYS_CLIENT_ID.",
            units.Short,
            ("max by (client) (previews_genesys_client_refused{*})", "client {{client}}"),
            alerts=["OAuthClientRefused"],
            span=8,
        ),
        lines(
            "Circuits",
            "Part of the workers whose circuit is open or half open, by service.",
            units.PercentUnit,
            (
                'avg by (service, previews_breaker_state) (previews_breaker_state{*,previews_breaker_state!="closed"})',
                "{{service}} {{previews_breaker_state}}",
            ),
            alerts=["CircuitOpen"],
            span=8,
        ),
    )


def _posts(made: Dashboard) -> None:
    section(
        made,
        "Posts",
        lines(
            "Calls a post",
            "Calls of the API for each link; 1 when the leg is known, more when conversations are read back often.",
            units.Short,
            (CALLS_A_POST, "calls"),
            span=8,
        ),
        lines(
            "Posts of which nobody knew",
            "Whether they were made, by kind; and deliveries found to have been posted already.",
            units.Short,
            ("sum by (kind) (increase(previews_post_ambiguous_total{*}[$__rate_interval]))", "{{kind}}"),
            ("sum(increase(previews_post_duplicate_suppressed_total{*}[$__rate_interval]))", "suppressed"),
            alerts=["PostsUncertain"],
            span=8,
        ),
        lines(
            "Late posts",
            "Written after their own deadline: a link may stand twice.",
            units.Short,
            ("sum by (instance) (increase(previews_late_posts_total{*}[$__rate_interval]))", "{{instance}}"),
            alerts=["LatePosts"],
            span=8,
        ),
    )
