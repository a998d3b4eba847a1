package org.ringworld.model.training.job;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import com.typesafe.config.ConfigValueType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.cuda.CudaCard;

/** Reads the devices that a job, a node or a command names, alike for all of them. */
public final class DeviceReader {
    private static final String KEY = "devices";
    private static final String EXAMPLE =
            "for example devices = [cpu, { cpu { threads = 1, memory = 8 GiB } }, { cuda { index = 0 } }]";
    private static final Config KNOWN =
            ConfigFactory.parseString(
                    "cpu { threads = null, memory = null }, cuda { index = null, memory = null }");

    private static final ConfigValue NULL = ConfigValueFactory.fromAnyRef(null);

    private DeviceReader() {}

    /**
     * The devices of the list {@code devices}; a bare {@code cpu} has an equal part of the allowed
     * cores, one at least, and of the host's memory, a bare {@code cuda} is the first card. Where
     * it is null they are all cards that can be used, else one CPU of one thread.
     *
     * @throws UsageException naming the key that is wrong
     */
    public static List<DeviceSpec> read(Config config, int allowedCores) {
        if (config.getIsNull(KEY)) {
            List<CudaCard> cards = CudaCard.usableOnes();
            return cards.isEmpty()
                    ? List.of(new DeviceSpec.Cpu(1))
                    : cards.stream()
                            .map(card -> (DeviceSpec) new DeviceSpec.Cuda(card.index(), 0))
                            .toList();
        }
        try {
            ConfigList given = JobFile.list(config, KEY);
            int threads = Math.max(1, allowedCores / Math.max(1, given.size()));
            List<DeviceSpec> devices = new ArrayList<>();
            for (int i = 0; i < given.size(); i++) {
                devices.add(device(KEY + "." + i, given.get(i), threads));
            }
            return List.copyOf(devices);
        } catch (UsageException | ConfigException e) {
            throw new UsageException(JobReader.message(e) + "; " + EXAMPLE);
        }
    }

    /**
     * The devices of a ring: those of {@code devices} or, where that is null, {@code ring.size}
     * ranks on the host's usable cards in turn. Without a card, or where {@code device.threads} is
     * given, they are so many CPUs.
     *
     * @throws UsageException naming the key that is wrong
     */
    public static List<DeviceSpec> ofRing(Config config, int allowedCores) {
        if (!config.getIsNull(KEY)) {
            List<DeviceSpec> devices = read(config, allowedCores);
            if (devices.isEmpty()) {
                throw new UsageException("devices = [] makes no ring; " + EXAMPLE);
            }
            return devices;
        }
        int size = JobReader.positive(config, "ring.size");
        List<CudaCard> cards =
                config.getIsNull("device.threads") ? CudaCard.usableOnes() : List.of();
        if (!cards.isEmpty()) {
            return IntStream.range(0, size)
                    .mapToObj(rank -> cards.get(rank % cards.size()).index())
                    .map(card -> (DeviceSpec) new DeviceSpec.Cuda(card, 0))
                    .toList();
        }
        int threads =
                config.getIsNull("device.threads")
                        ? Math.max(1, allowedCores / size)
                        : JobReader.positive(config, "device.threads");
        return Collections.nCopies(size, new DeviceSpec.Cpu(threads));
    }

    /**
     * The merged configuration, in which only one still says what the devices are: {@code devices},
     * or {@code ring.size} and {@code device.threads}. The command line's stand instead of the
     * file's, and what does not count is null. Where nothing says it and the host has cards that
     * can be used, {@code ring.size} is their number.
     *
     * @param merged the file's keys and the command line's, without defaults
     * @throws UsageException where the file or the command line gives both
     */
    static Config choose(Config file, Config typed, Config merged) {
        refuseBoth("the job", file);
        refuseBoth("the command line", typed);
        if (merged.hasPath(KEY) && ringKey(typed) == null) {
            return merged.withValue("ring.size", NULL).withValue("device.threads", NULL);
        }
        Config ring = merged.withoutPath(KEY);
        int cards = ringKey(ring) == null ? CudaCard.usableOnes().size() : 0;
        return cards == 0
                ? ring
                : ring.withValue("ring.size", ConfigValueFactory.fromAnyRef(cards));
    }

    private static void refuseBoth(String where, Config config) {
        String other = ringKey(config);
        if (config.hasPath(KEY) && other != null) {
            throw new UsageException(
                    "%s gives devices and %s, which say the same: leave out one of them; %s"
                            .formatted(where, other, EXAMPLE));
        }
    }

    /** Which key says what {@code devices} would, or null. */
    private static String ringKey(Config config) {
        return Stream.of("ring.size", "device.threads")
                .filter(config::hasPath)
                .findFirst()
                .orElse(null);
    }

    private static DeviceSpec device(String key, ConfigValue given, int threads) {
        if (given.unwrapped() instanceof String bare && KNOWN.hasPathOrNull(bare)) {
            return device(key, bare, ConfigFactory.empty(), threads);
        }
        if (!(given instanceof ConfigObject kind)
                || kind.size() != 1
                || !KNOWN.hasPathOrNull(kind.keySet().iterator().next())) {
            throw new UsageException("%s = %s is no device".formatted(key, asTyped(given)));
        }
        String name = kind.keySet().iterator().next();
        if (kind.get(name) instanceof ConfigObject defaults && defaults.isEmpty()) {
            return device(key, name, ConfigFactory.empty(), threads);
        }
        Config config = kind.toConfig().atPath(key);
        JobFile.checkKeys(config, KNOWN.withOnlyPath(name).atPath(key), "");
        return device(key, name, config, threads);
    }

    private static DeviceSpec device(String key, String kind, Config config, int threads) {
        long memory = memory(config, key + "." + kind + ".memory");
        if (kind.equals("cuda")) {
            String index = key + ".cuda.index";
            int card = config.hasPath(index) ? config.getInt(index) : 0;
            if (card < 0) {
                throw new UsageException("%s = %d is no card".formatted(index, card));
            }
            return new DeviceSpec.Cuda(card, memory);
        }
        String count = key + ".cpu.threads";
        return new DeviceSpec.Cpu(
                config.hasPath(count) ? JobReader.positive(config, count) : threads, memory);
    }

    private static long memory(Config config, String key) {
        if (!config.hasPath(key)) {
            return 0;
        }
        long bytes = config.getBytes(key);
        if (bytes < 1) {
            throw new UsageException(
                    "%s = %s must be more than nothing"
                            .formatted(key, asTyped(config.getValue(key))));
        }
        return bytes;
    }

    private static String asTyped(ConfigValue value) {
        return value.valueType() == ConfigValueType.STRING
                ? (String) value.unwrapped()
                : value.render(ConfigRenderOptions.concise().setJson(false));
    }
}
