package org.ringworld.model.training.job;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.runtime.DeviceSpec;

/** Reads the devices that a job, a node or a command names, alike for all of them. */
public final class DeviceReader {
    private static final String KEY = "devices";
    private static final String EXAMPLE =
            "for example devices = [cpu, { cpu { threads = 1, memory = 8 GiB } }]";
    private static final Config KNOWN =
            ConfigFactory.parseString("cpu { threads = null, memory = null }");

    private DeviceReader() {}

    /**
     * The devices of the list {@code devices}; a bare {@code cpu} has an equal part of the allowed
     * cores, one at least, and of the host's memory.
     *
     * @throws UsageException naming the key that is wrong
     */
    public static List<DeviceSpec> read(Config config, int allowedCores) {
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

    private static DeviceSpec device(String key, ConfigValue given, int threads) {
        if ("cpu".equals(given.unwrapped())) {
            return new DeviceSpec.Cpu(threads);
        }
        if (!(given instanceof ConfigObject kind) || kind.size() != 1 || !kind.containsKey("cpu")) {
            throw new UsageException("%s = %s is no device".formatted(key, asTyped(given)));
        }
        if (kind.get("cpu") instanceof ConfigObject cpu && cpu.isEmpty()) {
            return new DeviceSpec.Cpu(threads);
        }
        Config config = kind.toConfig().atPath(key);
        JobFile.checkKeys(config, KNOWN.atPath(key), "");
        String count = key + ".cpu.threads";
        return new DeviceSpec.Cpu(
                config.hasPath(count) ? JobReader.positive(config, count) : threads,
                memory(config, key + ".cpu.memory"));
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
