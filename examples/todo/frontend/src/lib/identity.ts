/** Which build answers, as the chart tells the container. */
export interface Identity {
  version: string;
  image_tag: string;
}

/** Read on every call, not at import: the values belong to the running container, not to the build. */
export function identity(): Identity {
  return {
    version: process.env.APP_VERSION || "unknown",
    image_tag: process.env.APP_IMAGE_TAG || "unknown",
  };
}
