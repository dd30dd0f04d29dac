# What every Node service is built of and runs on: settings, without files.
ARG NODE_VERSION=20
FROM node:${NODE_VERSION}-alpine
ENV NPM_CONFIG_AUDIT=false \
    NPM_CONFIG_FUND=false \
    NPM_CONFIG_UPDATE_NOTIFIER=false \
    NEXT_TELEMETRY_DISABLED=1
WORKDIR /app
