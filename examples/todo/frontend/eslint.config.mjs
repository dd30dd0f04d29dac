import next from "@next/eslint-plugin-next";
import { defineConfig } from "eslint/config";
import accessibility from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import typescript from "typescript-eslint";

export default defineConfig(
  { ignores: [".next/**", "node_modules/**", "coverage/**", "next-env.d.ts"] },
  typescript.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  reactHooks.configs.flat["recommended-latest"],
  accessibility.flatConfigs.strict,
  next.configs["core-web-vitals"],
  {
    rules: {
      eqeqeq: "error",
      "no-console": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      // A number in a template reads well; an object or null there is still an error.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // Handlers that are async catch their own errors; React needs no promise back.
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
      // A region that scrolls must be reachable from the keyboard.
      "jsx-a11y/no-noninteractive-tabindex": ["error", { roles: ["log"] }],
      // An arrow that passes a call's nothing on is how React handlers are written.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  {
    // Configuration is plain JavaScript, partly of packages that have no types.
    files: ["**/*.mjs"],
    extends: [typescript.configs.disableTypeChecked],
    rules: { "@typescript-eslint/no-confusing-void-expression": "off" },
  },
);
