import { defineConfig } from "vitest/config";

/** Tests in a real browser against a real host and a real dbt: slow, and one after the other. */
export default defineConfig({
  test: {
    include: ["browser/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 240_000,
    teardownTimeout: 60_000,
  },
});
