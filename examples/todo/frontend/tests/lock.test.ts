import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

interface Locked {
  version?: string;
  resolved?: string;
  integrity?: string;
  optionalDependencies?: Record<string, string>;
}

const read = (name: string) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), "utf8")) as Record<string, unknown>;
const packages = read("package-lock.json").packages as Record<string, Locked>;

describe("the lock file", () => {
  it("names no registry, so that any mirror can serve it", () => {
    expect(Object.keys(packages).filter((name) => packages[name]?.resolved)).toEqual([]);
  });

  it("pins every package by version and checksum", () => {
    expect(Object.keys(packages).filter((name) => name && !(packages[name]?.version && packages[name].integrity))).toEqual([]);
  });

  it("has the binaries of every platform: written on one, it must install on all", () => {
    const locked = new Set(Object.keys(packages).map((path) => path.replace(/^.*node_modules\//, "")));
    const wanted = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    expect(wanted).toContain("@next/swc-linux-x64-musl");
    expect(wanted.filter((name) => !locked.has(name))).toEqual([]);
  });
});

describe("package.json", () => {
  it("asks for exact versions", () => {
    const { dependencies, devDependencies } = read("package.json") as Record<string, Record<string, string>>;
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
    expect(loose).toEqual([]);
  });
});
