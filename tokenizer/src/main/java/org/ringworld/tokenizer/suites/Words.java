package org.ringworld.tokenizer.suites;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Supplier;
import org.ringworld.tokenizer.RowRandom;

/** Keys, values and names, drawn at random. */
final class Words {
    private static final List<String> ADJECTIVES =
            list(
                    """
                    able absent acidic ample ancient angry awake azure bitter bleak blunt bold brash brave brief
                    brisk broad busy calm candid careful casual chief chilly civic clumsy coarse common cosmic cozy
                    crisp cruel curious daily damp daring deaf dear deep dense dire distant dizzy double drab dry
                    dusty eager early earnest easy elegant empty equal exotic faint fair faithful fancy fast feeble
                    fertile fierce firm fluffy foggy formal frail frank fresh frosty frugal gaudy gentle giant glad
                    glossy golden graceful grand grim hasty hidden hollow honest humble icy idle immense jolly keen
                    lavish lively lonely loyal lucky mellow mighty modest muddy narrow neat nimble noble odd pale
                    patient plain polite proud quaint rapid rare ripe robust rustic salty serene shy silent sleepy
                    smooth spicy stark steep stern sturdy subtle swift tame tender thick tidy tiny vague vast vivid
                    warm weary wise witty zesty
                    """);

    private static final List<String> NOUNS =
            list(
                    """
                    acorn actor album alley amber anchor ankle antler anvil apron arch armor arrow attic autumn
                    badge bagel bakery balloon bamboo banjo banner barrel basin beacon beard beetle bench berry
                    blossom bonnet border bracelet branch brick broom bucket buckle bugle button cabin cactus camel
                    canal canoe canvas cargo carpet castle cedar cellar chapel cheese cherry chisel cinema circus
                    clover coat cobbler coffee comet copper coral corner cottage cotton cradle crater cricket crown
                    crystal cushion daisy desert diamond dolphin donkey dragon drawer drum eagle easel elbow ember
                    emerald falcon feather fence fiddle finger flagon flame flute fossil fountain fox gallery garlic
                    glacier glove goblet goose granite grape gravel hammer hammock harp hazel helmet heron hinge
                    honey hornet igloo ink inn iris ivory jaguar jewel jug kayak kettle kitten knight lagoon lamp
                    lemon library lilac lion lizard lobster locket magnet maple marble marsh mast melon meteor mint
                    mole monk moose mosaic moth mustard napkin nest nickel notebook oak oar oasis olive onion opal
                    orbit orchid otter oven owl oyster paddle palace panther parrot pearl pebble pepper piano pillow
                    pine pistol planet plum pocket pond poppy prism puzzle quartz quilt rabbit raft raven ribbon
                    robin rocket ruby saddle saffron salmon satin scarf shell shovel silk skate sparrow spindle
                    spoon squid stable stork sugar swan tablet tapestry teapot thimble thistle throne thunder tiger
                    timber topaz torch tower trumpet tulip tunnel turnip turtle umbrella valley vase velvet vest
                    village vine violet walnut walrus wardrobe whistle willow wizard wolf yacht zebra
                    """);

    private static final List<String> ONSETS =
            list("b br d dr f g gr h k kl l m n p pr r s st t tr v w z");
    private static final List<String> VOWELS = list("a e i o u ai ea ou");
    private static final List<String> CODAS = list("n r l s m t nd rk ll x");

    private Words() {}

    static List<String> list(String words) {
        return List.of(words.strip().split("\\s+"));
    }

    /** Such as {@code brave-otter}. */
    static String pair(RowRandom random) {
        return random.pick(ADJECTIVES) + "-" + random.pick(NOUNS);
    }

    /** Of seven digits. */
    static String number(RowRandom random) {
        return Integer.toString(random.between(1_000_000, 9_999_999));
    }

    /** Of version 4 (RFC 9562). */
    static String uuid(RowRandom random) {
        return "%04x%04x-%04x-4%03x-%x%03x-%04x%04x%04x"
                .formatted(
                        random.below(1 << 16),
                        random.below(1 << 16),
                        random.below(1 << 16),
                        random.below(1 << 12),
                        random.between(8, 11),
                        random.below(1 << 12),
                        random.below(1 << 16),
                        random.below(1 << 16),
                        random.below(1 << 16));
    }

    /** Letters in a row, from {@code first} on. */
    static String letters(RowRandom random, char first, int count) {
        StringBuilder letters = new StringBuilder();
        for (int i = 0; i < count; i++) {
            letters.append((char) (first + random.below(26)));
        }
        return letters.toString();
    }

    /** A word that could be one, of two or three syllables. */
    static String madeUp(RowRandom random) {
        StringBuilder word = new StringBuilder();
        int syllables = random.between(2, 3);
        for (int i = 0; i < syllables; i++) {
            word.append(random.pick(ONSETS)).append(random.pick(VOWELS));
        }
        return word.append(random.pick(CODAS)).toString();
    }

    /** A name that nobody has. */
    static String name(RowRandom random) {
        String word = madeUp(random);
        return word.substring(0, 1).toUpperCase(Locale.ROOT) + word.substring(1);
    }

    /** Draws until something comes that was not there before, and remembers it. */
    static String different(Set<String> before, Supplier<String> draw) {
        String drawn = draw.get();
        while (!before.add(drawn)) {
            drawn = draw.get();
        }
        return drawn;
    }

    /** Draws until something comes that is none of some. */
    static String except(Set<String> taken, Supplier<String> draw) {
        String drawn = draw.get();
        while (taken.contains(drawn)) {
            drawn = draw.get();
        }
        return drawn;
    }

    static List<String> different(int count, Supplier<String> draw) {
        Set<String> before = new HashSet<>();
        List<String> drawn = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            drawn.add(different(before, draw));
        }
        return drawn;
    }

    /** In random order (Fisher and Yates). */
    static <T> List<T> shuffled(List<T> list, RowRandom random) {
        List<T> shuffled = new ArrayList<>(list);
        for (int i = shuffled.size() - 1; i > 0; i--) {
            int j = random.below(i + 1);
            shuffled.set(i, shuffled.set(j, shuffled.get(i)));
        }
        return shuffled;
    }
}
