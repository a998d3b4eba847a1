package org.ringworld.tokenizer.media;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.ringworld.runtime.UserCache;
import org.ringworld.tokenizer.DataException;

/**
 * The program ffmpeg, a process of its own with limits: a damaged video can neither take this one
 * down nor have more than its time and memory. It comes from org.bytedeco's jar where that is on
 * the class path (Linux, x86-64), else from the PATH.
 */
final class Ffmpeg {
    private static final String FOLDER = "/org/bytedeco/ffmpeg/linux-x86_64/";
    private static final List<String> LIBRARIES =
            List.of(
                    "libavcodec.so.62",
                    "libavdevice.so.62",
                    "libavfilter.so.11",
                    "libavformat.so.62",
                    "libavutil.so.60",
                    "libswresample.so.6",
                    "libswscale.so.9",
                    "libdrm.so.2",
                    "libva.so.2",
                    "libva-drm.so.2");

    /** Of the jar's libraries one wants that of a sound server, of which nothing is used here. */
    private static final String UNUSED = "libpulse.so.0";

    /** Seconds of processor time, and KiB of address space. */
    private static final int SECONDS = 7200;

    private static final int MEMORY = 6 << 20;

    private static Path folder;

    private Ffmpeg() {}

    /**
     * A command with limits.
     *
     * @param program ffmpeg or ffprobe
     * @throws DataException where there is none
     */
    static ProcessBuilder command(String program, List<String> arguments) throws DataException {
        Path unpacked = unpacked();
        List<String> command = new ArrayList<>();
        command.addAll(
                List.of(
                        "/bin/sh",
                        "-c",
                        // One limit a call: dash takes no more, and then sets none.
                        "ulimit -t %d && ulimit -v %d && ulimit -c 0 && exec \"$0\" \"$@\""
                                .formatted(SECONDS, MEMORY)));
        command.add(unpacked == null ? onPath(program) : unpacked.resolve(program).toString());
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command);
        if (unpacked != null) {
            builder.environment().put("LD_LIBRARY_PATH", unpacked.toString());
        }
        return builder;
    }

    /**
     * How to write H.264. Where the program is the host's, it knows best what it has: H.264, or
     * else MPEG-4.
     */
    static List<String> h264() throws DataException {
        return unpacked() == null ? List.of() : List.of("-c:v", "libopenh264");
    }

    private static String onPath(String program) throws DataException {
        for (String directory : System.getenv().getOrDefault("PATH", "").split(":")) {
            Path file = Path.of(directory.isEmpty() ? "." : directory, program);
            if (Files.isExecutable(file)) {
                return file.toString();
            }
        }
        throw new DataException(
                "video needs the program %s: install it (Debian: apt install ffmpeg), or put org.bytedeco's ffmpeg jar for this platform on the class path"
                        .formatted(program));
    }

    /** Where the jar's programs lie unpacked; null where there is no such jar. */
    private static synchronized Path unpacked() throws DataException {
        URL program = Ffmpeg.class.getResource(FOLDER + "ffmpeg");
        if (folder != null || program == null) {
            return folder;
        }
        try {
            Path directory = UserCache.unpacked(program, "ffmpeg").getParent();
            put("ffprobe", "ffprobe", directory);
            for (String library : LIBRARIES) {
                put(library, library, directory);
            }
            put("libva-drm.so.2", UNUSED, directory);
            for (String name : List.of("ffmpeg", "ffprobe")) {
                if (!directory.resolve(name).toFile().setExecutable(true)) {
                    throw new IOException(directory.resolve(name) + " cannot be made executable");
                }
            }
            folder = directory;
            return folder;
        } catch (IOException e) {
            throw new DataException("ffmpeg cannot be unpacked: " + e.getMessage(), e);
        }
    }

    /** Beside the program, where the loader finds it. */
    private static void put(String name, String as, Path directory) throws IOException {
        URLConnection from = Ffmpeg.class.getResource(FOLDER + name).openConnection();
        Path to = directory.resolve(as);
        try (InputStream content = from.getInputStream()) {
            if (!Files.exists(to) || Files.size(to) != from.getContentLengthLong()) {
                UserCache.write(to, content);
            }
        }
    }

    /** What it wrote to its standard error, without the loader's remark on {@link #UNUSED}. */
    static String said(String errors) {
        return errors.lines()
                .filter(line -> !line.contains(UNUSED + ": no version information"))
                .collect(Collectors.joining("\n"));
    }

    /** The last line of what it said, without where in its code it was. */
    static String reason(String said) {
        String last = said.strip();
        last = last.substring(last.lastIndexOf('\n') + 1);
        return last.replaceFirst("^\\[[^]]*] *", "").replaceFirst("^.*file:[^ ]*: ", "");
    }
}
