package org.ringworld.actors.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.runtime.DeviceSpec;

class NodeSettingsTest {
    private static NodeSettings settings(String text, boolean named) {
        Config config =
                ConfigFactory.parseString(text)
                        .withFallback(
                                ConfigFactory.parseResources(
                                        NodeSettings.class, "/node-defaults.conf"))
                        .resolve();
        return NodeSettings.of(config).among(named);
    }

    private static boolean mayBegin(NodeSettings settings) {
        return settings.toPekko()
                .getBoolean("pekko.management.cluster.bootstrap.new-cluster-enabled");
    }

    /** One node under two names: as the cluster's bootstrap compares text, they must be one. */
    @ParameterizedTest
    @CsvSource({
        "127.0.0.1, 127.0.0.1:26000",
        "127.0.0.1, localhost:26000",
        "127.0.0.1, LocalHost:26000",
        "localhost, 127.0.0.1:26000",
        "localhost, localhost:26000",
        "::1, [::1]:26000",
        "[::1], [::1]:26000",
        "0:0:0:0:0:0:0:1, [::1]:26000",
        "::1, localhost:26000",
        "127.0.0.1, [::1]:26000"
    })
    void aNodeFindsItselfAmongItsPeersByAnyOfItsNames(String host, String peer) {
        NodeSettings node =
                settings(
                        "port = 26000, host = \"%s\", peers = [\"%s\"]".formatted(host, peer),
                        true);
        assertThat(node.address()).isEqualTo(node.peers().getFirst());
        assertThat(mayBegin(node)).isTrue();
        Config pekko = node.toPekko();
        String own = pekko.getString("pekko.management.http.hostname");
        assertThat(
                        pekko.getConfigList("pekko.discovery.config.services.ringworld.endpoints")
                                .getFirst()
                                .getString("host"))
                .isEqualTo(own);
    }

    @ParameterizedTest
    @CsvSource({"127.0.0.1, 127.0.0.1:26001", "127.0.0.1, 127.0.0.2:26000", "::1, 127.0.0.9:26000"})
    void anotherNodeIsAnother(String host, String peer) {
        NodeSettings node =
                settings(
                        "port = 26000, host = \"%s\", peers = [\"%s\"]".formatted(host, peer),
                        true);
        assertThat(mayBegin(node)).isFalse();
    }

    /** On loopback unless somebody says otherwise, and behind the node's own ports. */
    @Test
    void clientsAskAtAPortOfTheirOwn() {
        assertThat(settings("port = 26000", false).http().port()).isEqualTo(26005);
        assertThat(settings("port = 26000", false).at(26010).http().port()).isEqualTo(26015);
        NodeSettings own = settings("port = 26000, http.port = 80, http.apiKey = s3cret", false);
        assertThat(own.at(26010).http().port()).isEqualTo(80);
        assertThat(own.http().apiKey()).isEqualTo("s3cret");
        assertThat(own.toString()).doesNotContain("s3cret");
        assertThat(settings("host = 127.0.0.7", false).http().host()).isEqualTo("127.0.0.7");
        assertThat(settings("host = 10.0.0.1, insecure = true", false).http().host())
                .isEqualTo("127.0.0.1");
        String open = "host = 10.0.0.1, insecure = true, http.host = 10.0.0.1";
        assertThat(settings(open, false).http().host()).isEqualTo("10.0.0.1");
    }

    @Test
    void aNodeHasTheDevicesThatItNames() {
        assertThat(settings("", false).devices()).containsExactly(new DeviceSpec.Cpu(1));
        assertThat(
                        settings(
                                        "devices = [{cpu{threads=2}}, {cpu{memory=3 GiB,threads=1}}]",
                                        false)
                                .devices())
                .containsExactly(new DeviceSpec.Cpu(2), new DeviceSpec.Cpu(1, 3L << 30));
        int half = Math.max(1, Runtime.getRuntime().availableProcessors() / 2);
        assertThat(settings("devices = [cpu, {cpu{}}]", false).devices())
                .containsExactly(new DeviceSpec.Cpu(half), new DeviceSpec.Cpu(half));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "devices = cpu | devices must be a list",
                "devices = [gpu] | devices.0 = gpu is no device",
                "devices = [cpu, 3] | devices.1 = 3 is no device",
                "devices = [{cpu{threads=0}}] | devices.0.cpu.threads = 0 must be at least 1",
                "devices = [{cpu{threads=all}}] | devices.0.cpu.threads has type STRING",
                "devices = [cpu,{cpu{thread=2}}] | unknown key devices.1.cpu.thread; did you mean devices.1.cpu.threads?",
                "devices = [{cpu{memory=0}}] | devices.0.cpu.memory = 0 must be more than nothing",
                "devices = [{cpu{memory=much}}] | devices.0.cpu.memory",
                "devices = [{cpu=2}] | devices.0.cpu must be an object",
                "devices = [{cuda{index=-1}}] | devices.0.cuda.index = -1 is no card",
                "devices = [{cuda{card=1}}] | unknown key devices.0.cuda.card",
                "devices = [{cuda{threads=1}}] | unknown key devices.0.cuda.threads",
                "devices = [{cpu{},cuda{}}] | devices.0 = cpu{},cuda{} is no device"
            })
    void aDeviceThatIsNoneIsToldByItsKeyWithAnExample(String text, String sentence) {
        assertThatThrownBy(() -> settings(text, false))
                .isInstanceOf(UsageException.class)
                .hasMessageContaining(sentence)
                .hasMessageEndingWith(
                        "; for example devices = [cpu, { cpu { threads = 1, memory = 8 GiB } }, { cuda { index = 0 } }]");
    }

    @Test
    void aNodeThatNamesNoPeersAndIsNoneOfTheDefaultsIsItsOwnFirst() {
        NodeSettings other = settings("port = 26520", false);
        assertThat(other.peers()).containsExactly(other.address());
        assertThat(mayBegin(other)).isTrue();
        assertThat(mayBegin(settings("port = 25520", false))).isTrue();
        NodeSettings second = settings("port = 25530", false);
        assertThat(second.peers()).hasSize(4);
        assertThat(mayBegin(second)).isFalse();
        assertThat(mayBegin(settings("host = 127.0.0.7", false))).isTrue();
        assertThat(mayBegin(settings("port = 26520, peers = []", true))).isTrue();
    }

    @Test
    void whoWaitsSaysWhatToType() {
        String given = "port = 26000, peers = [\"127.0.0.1:26010\"]";
        assertThat(settings(given, true).waitsFor())
                .contains("127.0.0.1:26010")
                .contains("ringworld node port=26010")
                .contains("ringworld node port=26000 'peers=[\"127.0.0.1:26000\"]'");
        assertThat(settings(given + ", minNodes = 2", true).waitsFor()).contains("minNodes=1");
    }

    /** Pekko takes them as they are and then waits for ever. */
    @ParameterizedTest
    @ValueSource(strings = {"ring_node_1", "a b", "node-", "-node", "n\u00f6de", "a..b", "node1.5"})
    void aNameThatPekkoCannotUseIsRefused(String name) {
        assertThatThrownBy(() -> settings("insecure = true, host = \"" + name + "\"", true))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(name)
                .hasMessageContaining("give the host's address");
        assertThatThrownBy(() -> settings("peers = [\"" + name + ":25520\"]", true))
                .hasMessageContaining(name);
    }

    @Test
    void capitalsAreSmallLetters() {
        NodeSettings node =
                settings(
                        "insecure = true, host = MyBox.Example, peers = [\"MYBOX.example:25520\"]",
                        true);
        assertThat(node.host()).isEqualTo("mybox.example");
        assertThat(mayBegin(node)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "127.0.0.1",
                "::1",
                "::1:25520",
                "127.0.0.1:x",
                "[::1]",
                "127.0.0.1:70000",
                ":25520"
            })
    void aPeerThatIsNoAddressIsRefused(String peer) {
        assertThatThrownBy(() -> settings("peers = [\"" + peer + "\"]", true))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("peers");
    }

    @Test
    void aPortLeavesRoomForTheFiveAfterIt() {
        assertThat(settings("port = 65530", false).http().port()).isEqualTo(65_535);
        assertThatThrownBy(() -> settings("port = 65531", false)).hasMessageContaining("65530");
    }
}
