/** True where `origin` is not in `allowed` and either header speaks of another site. */
export declare function isCrossSite(origin: string | null, fetchSite: string | null, host: string | null, allowed: ReadonlySet<string>): boolean;
