/** Style sheets are bundled: they have nothing to import. */
declare module '*.css';
