import Credentials from "next-auth/providers/credentials";

/** Whoever gives a name is signed in under it. */
export const providers = [
  Credentials({
    credentials: { name: {} },
    authorize: async (given) => (given ? { id: given.name, name: given.name, email: `${given.name}@photos.example` } : null),
  }),
];
