package org.ringworld.runtime.cuda;

/** Blocks of a launch along each axis: x up to 2^31 - 1, y and z up to 65535. */
record Grid(int x, int y, int z) {
    static Grid of(long x) {
        return of(x, 1, 1);
    }

    static Grid of(long x, long y) {
        return of(x, y, 1);
    }

    static Grid of(long x, long y, long z) {
        return new Grid(Math.toIntExact(x), Math.toIntExact(y), Math.toIntExact(z));
    }
}
