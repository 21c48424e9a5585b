"""Traces, by OpenTelemetry where a collector is named; else nothing is loaded and nothing traced.

The context of a trace travels in the headers `traceparent` and `tracestate`, through every topic to the results and
dead letters, also of processes that trace nothing themselves.
"""

from stream.tracing.settings import TracingSettings
from stream.tracing.tracer import UNTRACED, Kind, Span, Trace, Tracer, create_tracer

__all__ = ["UNTRACED", "Kind", "Span", "Trace", "Tracer", "TracingSettings", "create_tracer"]
