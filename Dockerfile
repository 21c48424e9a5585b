# One image for every process: `stream bridge`, `agents worker`, `stream topics`, `stream dead-letters` and the others.
#
# Debian 12 with Debian's own Python 3.11, on which the tests run, too: `make check-deploy` carries out these very steps in
# such a tree and starts what comes of it. An image built upon python:3.11-slim would hold another Python than was tried.
ARG DEBIAN=debian:12.12-slim
ARG VERSION=0.1.0

FROM ${DEBIAN} AS system
# Not pinned: Debian's archive keeps one version of a package, the mended one, and a build is to have that.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
    ca-certificates fonts-dejavu-core libjemalloc2 poppler-utils python3.11 \
 && rm -rf /var/lib/apt/lists/* /var/cache/ldconfig/aux-cache /var/log/apt /var/log/*.log

FROM system AS packages
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3.11-venv \
 && rm -rf /var/lib/apt/lists/*
COPY requirements/build.txt requirements/runtime.txt /locked/
# pyvips has no wheel: it is built by what build.txt pins. Neither pip nor that is needed afterwards. Compiled by content,
# not by time, so that two builds make the same files; but for 94 MB of the SDK that never run (stream/genesys/sdk.py).
RUN python3.11 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --no-compile --require-hashes --only-binary :all: \
    --requirement /locked/build.txt \
 && /opt/venv/bin/pip install --no-cache-dir --no-compile --require-hashes --only-binary :all: --no-binary pyvips \
    --no-build-isolation --requirement /locked/runtime.txt \
 && /opt/venv/bin/pip uninstall --yes setuptools pip \
 && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    -x 'PureCloudPlatformClientV2/(models|apis)/' /opt/venv/lib

FROM packages AS code
COPY stream /app/stream
COPY agents /app/agents
ARG VERSION
# What `previews_build_info` tells: the project is copied, not installed.
RUN about=/app/attachment_preview_stream-${VERSION}.dist-info \
 && mkdir "$about" \
 && printf 'Metadata-Version: 2.1\nName: attachment-preview-stream\nVersion: %s\n' "${VERSION}" > "$about/METADATA" \
 && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app

FROM system AS runtime
COPY --from=packages /opt/venv /opt/venv
RUN mkdir /app && mkdir --mode 0700 /data && chown 10001:10001 /data
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["python", "-m"]

# Genesys Cloud as the tests know it, for docker-compose.yml's profile `demo`; nothing of it is in the product.
FROM runtime AS simulator
COPY tests/__init__.py /app/tests/__init__.py
COPY tests/harness/__init__.py /app/tests/harness/__init__.py
COPY tests/harness/genesys /app/tests/harness/genesys
EXPOSE 8090 8091
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8090/_sim/health', timeout=4)"]
CMD ["tests.harness.genesys", "--host", "0.0.0.0", "--port", "8090", "--files-port", "8091"]

FROM runtime AS product
COPY --from=code /app /app
# One arena, and free memory back to the system after a second: what was measured is in docs/containers.md. Rendering
# children have an environment of their own, and glibc's allocator.
ENV LD_PRELOAD=libjemalloc.so.2 \
    MALLOC_CONF=narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0 \
    PROBE_PORT=8080 \
    WORKER_DATA_DIR=/data \
    WORKER_TABLE_STORE=rocksdb
VOLUME /data
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PROBE_PORT']}/healthz\", timeout=4)"]
CMD ["stream", "bridge"]
ARG VERSION
ARG REVISION=unknown
ARG CREATED=unknown
ARG DEBIAN
LABEL org.opencontainers.image.title="attachment-preview-stream" \
      org.opencontainers.image.description="Safe, small pictures of the files that guests drop into Genesys Cloud conversations" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${DEBIAN}"
