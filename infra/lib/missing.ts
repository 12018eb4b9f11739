/** Something that must be there before this app runs; the message says which command makes it. */
export class Missing extends Error {}
