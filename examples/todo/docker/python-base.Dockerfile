# What every Python service is built of and runs on: settings, without files.
# PYTHON_VERSION must be 3.11 or newer.
ARG PYTHON_VERSION=3.13
FROM python:${PYTHON_VERSION}-slim
# A service has its packages in /opt/venv and itself in /app; it writes to /tmp, or nowhere.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    HOME=/tmp
WORKDIR /app
