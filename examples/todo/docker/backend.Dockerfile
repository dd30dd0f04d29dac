# The backend on the shared base, installed by uv. The context is examples/todo/backend; BASE_IMAGE is what
# python-base.Dockerfile was built as.
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS packages
# Optional: where packages come from; the usual index when empty. Not kept in the image.
ARG PIP_INDEX_URL=
# One sum for x86_64 and one for aarch64.
RUN echo 'uv==0.13.9 --hash=sha256:d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19 --hash=sha256:ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375' > /tmp/uv.txt \
    && python -m venv /opt/uv \
    && /opt/uv/bin/pip install --require-hashes --only-binary=:all: --no-compile -r /tmp/uv.txt
ENV UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_NO_PROGRESS=1
# Requirements first: a change of the source leaves this layer as it is. Bytecode that is never checked against its
# source stays valid whatever happens to time stamps on the way into an image.
COPY requirements.txt /tmp/requirements.txt
RUN /opt/uv/bin/uv venv --python "$(command -v python)" /opt/venv \
    && /opt/uv/bin/uv pip install --python /opt/venv --require-hashes --no-build \
         ${PIP_INDEX_URL:+--default-index "$PIP_INDEX_URL"} -r /tmp/requirements.txt \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

FROM ${BASE_IMAGE} AS source
COPY alembic.ini ./
COPY todo_api ./todo_api
RUN python -m compileall -q --invalidation-mode unchecked-hash /app

FROM ${BASE_IMAGE}
# Two stages, because BuildKit reads all files anew of one that changes with the source.
COPY --from=packages /opt/venv /opt/venv
COPY --from=source /app /app
# By number, so that Kubernetes can tell that it is not root.
ARG APP_UID=10001
ARG APP_GID=${APP_UID}
USER ${APP_UID}:${APP_GID}
EXPOSE 8000
CMD ["python", "-m", "todo_api"]
