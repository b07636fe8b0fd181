// Imported before anything else: stdout carries answers only, so whatever is logged goes to stderr.

import { Console } from "node:console";

globalThis.console = new Console({ stdout: process.stderr, stderr: process.stderr });

const { logger } = await import("matrix-js-sdk/lib/logger.js");
logger.setLevel("info");
