/** Which build answers, as the chart tells the container. */
export interface Identity {
  version: string;
  digest: string;
}

/** Read on every call, not at import: the values belong to the running container, not to the build. */
export function identity(): Identity {
  return {
    version: process.env.APP_VERSION || "unknown",
    digest: process.env.APP_IMAGE_TAG || "unknown",
  };
}
