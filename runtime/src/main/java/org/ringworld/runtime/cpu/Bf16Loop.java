package org.ringworld.runtime.cpu;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.HexFormat;
import org.ringworld.runtime.cpu.device.HostMemory;

/**
 * The limit of BF16 dot products. The Vector API has none, so this is a few bytes of machine code,
 * called where the processor has avx512_bf16. In assembler:
 *
 * <pre>
 *     vpxord zmm0, zmm0, zmm0            and so for zmm1 … zmm23, zmm30, zmm31
 *  1: vdpbf16ps zmm0, zmm30, zmm31       and so for zmm1 … zmm23
 *     dec rdi
 *     jnz 1b
 *     vzeroupper
 *     ret
 * </pre>
 */
final class Bf16Loop {
    private static final String CODE =
            """
            62f17d48efc062f17548efc962f16d48efd262f16548efdb62f15d48efe462f15548efed62f14d48eff662f14548efff
            62513d48efc062513548efc962512d48efd262512548efdb62511d48efe462511548efed62510d48eff662510548efff
            62a17d40efc062a17540efc962a16d40efd262a16540efdb62a15d40efe462a15540efed62a14d40eff662a14540efff
            62010d40eff662010540efff62920e4052c762920e4052cf62920e4052d762920e4052df62920e4052e762920e4052ef
            62920e4052f762920e4052ff62120e4052c762120e4052cf62120e4052d762120e4052df62120e4052e762120e4052ef
            62120e4052f762120e4052ff62820e4052c762820e4052cf62820e4052d762820e4052df62820e4052e762820e4052ef
            62820e4052f762820e4052ff48ffcf0f8567ffffffc5f877c3
            """;

    /** Products and sums of one round: 24 instructions of 16 sums of two products. */
    private static final int FLOPS = 24 * 16 * 4;

    private static final int READ_EXECUTE = 5;

    private static final Bf16Loop LOADED = load();

    private final MethodHandle code;

    private Bf16Loop(MethodHandle code) {
        this.code = code;
    }

    /** The loop, or null where the processor or the system does not allow it. */
    static Bf16Loop loaded() {
        return LOADED;
    }

    double flops(long rounds) {
        return (double) rounds * FLOPS;
    }

    void run(long rounds) {
        try {
            code.invokeExact(rounds);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static Bf16Loop load() {
        if (!HostCpu.bf16Products().orElse(false)
                || !System.getProperty("os.name").equals("Linux")) {
            return null;
        }
        byte[] bytes = HexFormat.of().parseHex(CODE.replace("\n", ""));
        MemorySegment page = new HostMemory().allocate(4096);
        MemorySegment.copy(bytes, 0, page, ValueLayout.JAVA_BYTE, 0, bytes.length);
        Linker linker = Linker.nativeLinker();
        MethodHandle protect =
                linker.downcallHandle(
                        linker.defaultLookup().findOrThrow("mprotect"),
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_INT,
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_INT));
        try {
            if ((int) protect.invokeExact(page.address(), 4096L, READ_EXECUTE) != 0) {
                return null;
            }
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
        return new Bf16Loop(
                linker.downcallHandle(page, FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG)));
    }
}
