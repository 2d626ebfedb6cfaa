// The one place that binds htm to Preact; pages and components take everything they draw with from here.
import { h, render, Fragment } from "../vendor/preact.mjs";
import htm from "../vendor/htm.mjs";

export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/preact-hooks.mjs";
export { batch, computed, effect, signal } from "../vendor/preact-signals.mjs";
export { Fragment, render };
export const html = htm.bind(h);
