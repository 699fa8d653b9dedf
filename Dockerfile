FROM python:3.11-slim

WORKDIR /app
COPY requirements.lock pyproject.toml README.md ./
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.lock
COPY forkserver_launcher forkserver_launcher
COPY heartbeat heartbeat
COPY heartbeat_web heartbeat_web
COPY heartbeat_assets heartbeat_assets
COPY heartbeat_api heartbeat_api
COPY dagster_guard dagster_guard
COPY demo_bank demo_bank
COPY dagster.yaml workspace.yaml ./
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && useradd --create-home heartbeat \
    && mkdir /state && chown heartbeat /state

USER heartbeat
ENV HEARTBEAT_PROJECT=/project HEARTBEAT_HOME=/state HEARTBEAT_BIND_HOST=0.0.0.0
ENTRYPOINT []
CMD ["heartbeat", "--help"]
