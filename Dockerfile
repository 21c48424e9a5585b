# One image for every process: `stream bridge`, `agents worker`, `stream topics`, `stream dead-letters`.
FROM python:3.11-slim-bookworm AS packages
COPY requirements/build.txt /build.txt
COPY requirements/runtime.txt /runtime.txt
# pyvips has no wheel: it is built by what build.txt pins.
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement /build.txt \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --no-binary pyvips \
    --no-build-isolation --requirement /runtime.txt

FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends fonts-dejavu-core poppler-utils \
 && rm -rf /var/lib/apt/lists/*
COPY --from=packages /opt/venv /opt/venv
COPY stream /app/stream
COPY agents /app/agents
# Compiled here because the root file system is read-only where this runs.
RUN /opt/venv/bin/python -m compileall -q /app \
 && mkdir /data && chown 10001:10001 /data
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WORKER_DATA_DIR=/data \
    PROBE_PORT=8080
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PROBE_PORT']}/healthz\", timeout=4)"]
ENTRYPOINT ["python", "-m"]
CMD ["stream", "bridge"]
