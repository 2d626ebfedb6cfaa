// A moment: relative for reading, exact for whoever hovers or copies.
import { fullTime, relative } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";

export const When = ({ at, style = "long" }) =>
  at ? html`<time datetime=${at} title=${fullTime(at)}>${relative(at, style)}</time>` : null;
