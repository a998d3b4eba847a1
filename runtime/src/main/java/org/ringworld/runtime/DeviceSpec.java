package org.ringworld.runtime;

/**
 * What a device is, before it is opened: the one description that jobs, nodes and commands give,
 * and that {@link Devices} makes a device of. Each kind is a record.
 */
public sealed interface DeviceSpec {
    /** What it is, for people: {@code cpu (2 threads)}. */
    String name();

    /** Threads of the host that compute for it. */
    int threads();

    /** Bytes of memory that it may use; 0: its part of what the host has. */
    long memory();

    /** The same with a memory of its own. */
    DeviceSpec withMemory(long bytes);

    /**
     * Cores of the host.
     *
     * @throws IllegalArgumentException for no thread, or less than no memory
     */
    record Cpu(int threads, long memory) implements DeviceSpec {
        public Cpu {
            if (threads < 1 || memory < 0) {
                throw new IllegalArgumentException(
                        "a cpu of %d threads and %d bytes".formatted(threads, memory));
            }
        }

        /** With its part of the host's memory. */
        public Cpu(int threads) {
            this(threads, 0);
        }

        @Override
        public String name() {
            return "cpu (%d thread%s)".formatted(threads, threads == 1 ? "" : "s");
        }

        @Override
        public Cpu withMemory(long bytes) {
            return new Cpu(threads, bytes);
        }
    }

    /**
     * An NVIDIA GPU, or a rank's part of one.
     *
     * @param index of the card, as the driver counts
     * @param memory bytes of it; 0: its part of what is free
     * @throws IllegalArgumentException for a negative index, or less than no memory
     */
    record Cuda(int index, long memory) implements DeviceSpec {
        public Cuda {
            if (index < 0 || memory < 0) {
                throw new IllegalArgumentException(
                        "a cuda of index %d and %d bytes".formatted(index, memory));
            }
        }

        @Override
        public String name() {
            return "cuda " + index;
        }

        /** The one that drives it. */
        @Override
        public int threads() {
            return 1;
        }

        @Override
        public Cuda withMemory(long bytes) {
            return new Cuda(index, bytes);
        }
    }
}
