// Which customers are made up. `pulseline demo send` numbers them demo-000, demo-001, …, and marks each of their events.
const MADE_UP = /^demo-\d{3,}$/;

export const isDemoId = (customerId) => MADE_UP.test(customerId);
export const isDemoEvent = ({ event }) => event.attributes?.demo === "true";
