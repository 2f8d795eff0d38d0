// The SDK runs in other people's pages: no text becomes markup or code there.
import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import typescript from "typescript-eslint";

const markup = "The SDK never writes markup into a page.";

export default defineConfig(
  { ignores: ["**/node_modules/", "**/dist/", ".build/", ".venv/"] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    files: ["**/*.ts"],
    extends: [typescript.configs.strictTypeChecked, typescript.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Numbers in texts are what they look like.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: ["browser/src/**/*.ts"],
    rules: {
      "no-console": ["error", { allow: ["warn"] }],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: markup },
        { property: "outerHTML", message: markup },
        { property: "insertAdjacentHTML", message: markup },
        { object: "document", property: "write", message: markup },
      ],
      // Each `!` is where the text before it says why, and each costs bytes to check at run time.
      "@typescript-eslint/no-non-null-assertion": "off",
      // Arrows that hand on a call's nothing are shorter than blocks.
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-dynamic-delete": "off",
    },
  },
  {
    files: ["**/*.js"],
    languageOptions: { globals: { Buffer: "readonly", URL: "readonly", console: "readonly", process: "readonly" } },
  },
  {
    files: ["**/tests/**/*.ts"],
    rules: {
      // The test runner waits for its own promises.
      "@typescript-eslint/no-floating-promises": ["error", { allowForKnownSafeCalls: [{ from: "package", name: ["test", "describe", "before", "after"], package: "node:test" }] }],
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
);
