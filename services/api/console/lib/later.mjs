// Pages that are fetched when they are first opened, so that the first page has less to wait for.
import { Failed, Waiting } from "../component/empty.mjs";
import { Problem } from "./api.mjs";
import { html, signal } from "./view.mjs";

/** Returns a component that stands for `name` of the module `load` imports. `component.fetch()` imports it ahead of need. */
export function later(load, name) {
  const found = signal(null);
  const problem = signal(null);
  let isAsked = false;
  const fetch = () => {
    if (isAsked) return;
    isAsked = true;
    problem.value = null;
    load().then(
      (module) => (found.value = module[name]),
      () => {
        isAsked = false;
        problem.value = new Problem(0);
      },
    );
  };
  const component = (props) => {
    if (found.value) return html`<${found.value} ...${props} />`;
    if (problem.value) return html`<${Failed} problem=${problem.value} retry=${fetch} />`;
    fetch();
    return html`<${Waiting} />`;
  };
  component.fetch = fetch;
  return component;
}
