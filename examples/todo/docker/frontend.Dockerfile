# The frontend on the shared base. The context is examples/todo/frontend; BASE_IMAGE is what node-base.Dockerfile
# was built as.
ARG BASE_IMAGE

# Everything the build needs, the development dependencies included. A stage of its own: it is built again
# only when the lock file changes.
FROM ${BASE_IMAGE} AS dependencies
ARG NPM_CONFIG_REGISTRY=
COPY package.json package-lock.json ./
RUN npm ci

FROM ${BASE_IMAGE} AS build
# Next writes NEXT_PUBLIC_* into the scripts it builds: at run time it would be too late. Empty: same origin.
# NEXT_PUBLIC_BACKEND_URL is another name for NEXT_PUBLIC_API_URL.
ARG NEXT_PUBLIC_API_URL=
ARG NEXT_PUBLIC_BACKEND_URL=
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules ./node_modules
COPY . .
RUN npm run build

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="slipway-todo-frontend" \
      org.opencontainers.image.description="Frontend of the Todo example" \
      org.opencontainers.image.licenses="GPL-3.0-or-later"
ENV NODE_ENV=production \
    HOSTNAME=0.0.0.0 \
    PORT=3000
# The files belong to root: the server reads them and writes nothing, so a read-only root filesystem suits it.
COPY --from=build /app/.next/standalone ./
COPY --from=build /app/.next/static ./.next/static
# Numeric, so that Kubernetes can check runAsNonRoot.
USER 1000:1000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "server.js"]
