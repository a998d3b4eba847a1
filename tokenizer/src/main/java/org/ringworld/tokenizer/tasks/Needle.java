package org.ringworld.tokenizer.tasks;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.ringworld.tokenizer.RowRandom;

/**
 * A key and its number of seven digits. A tenth of all numbers and 20 of 100 cities are held out:
 * no training document ever has one.
 */
record Needle(String city, String number) {
    static final List<String> TRAINING_CITIES =
            List.of(
                    "Almaty",
                    "Amman",
                    "Amsterdam",
                    "Antananarivo",
                    "Astana",
                    "Athens",
                    "Baghdad",
                    "Bangalore",
                    "Bangkok",
                    "Barcelona",
                    "Beirut",
                    "Belgrade",
                    "Berlin",
                    "Bogota",
                    "Brussels",
                    "Bucharest",
                    "Budapest",
                    "Buenos Aires",
                    "Cairo",
                    "Canberra",
                    "Caracas",
                    "Casablanca",
                    "Chicago",
                    "Colombo",
                    "Copenhagen",
                    "Damascus",
                    "Delhi",
                    "Dubai",
                    "Dublin",
                    "Edinburgh",
                    "Geneva",
                    "Hamburg",
                    "Hanoi",
                    "Havana",
                    "Helsinki",
                    "Ho Chi Minh City",
                    "Houston",
                    "Istanbul",
                    "Jakarta",
                    "Johannesburg",
                    "Kampala",
                    "Kathmandu",
                    "Khartoum",
                    "Kuala Lumpur",
                    "Lagos",
                    "Lima",
                    "London",
                    "Los Angeles",
                    "Madrid",
                    "Manila",
                    "Maputo",
                    "Mexico City",
                    "Milan",
                    "Minsk",
                    "Mumbai",
                    "Munich",
                    "Naples",
                    "New York",
                    "Osaka",
                    "Ottawa",
                    "Paris",
                    "Phnom Penh",
                    "Port Louis",
                    "Quito",
                    "Rabat",
                    "Riga",
                    "Rome",
                    "San Francisco",
                    "Santiago",
                    "Seoul",
                    "Shanghai",
                    "Singapore",
                    "Sofia",
                    "Sydney",
                    "Tashkent",
                    "Tbilisi",
                    "Tokyo",
                    "Tunis",
                    "Vancouver",
                    "Warsaw");

    static final List<String> HELD_OUT_CITIES =
            List.of(
                    "Accra",
                    "Bratislava",
                    "Cape Town",
                    "Dakar",
                    "Doha",
                    "Kigali",
                    "Kyiv",
                    "La Paz",
                    "Lisbon",
                    "Melbourne",
                    "Moscow",
                    "Nairobi",
                    "Oslo",
                    "Sarajevo",
                    "Seattle",
                    "Thimphu",
                    "Toronto",
                    "Vienna",
                    "Yangon",
                    "Yerevan");

    private static final List<String> ONSETS =
            List.of(
                    "B", "Br", "D", "F", "G", "Gr", "K", "L", "M", "N", "P", "R", "S", "St", "T",
                    "Tr", "V", "W", "Z", "Ch");
    private static final List<String> VOWELS = List.of("a", "e", "i", "o", "u", "ai", "ea", "ou");
    private static final List<String> CODAS =
            List.of("", "", "n", "r", "l", "s", "m", "t", "nd", "rk", "ll", "x");

    /** Needles of different keys: training cities and, for half of them, pseudo-names. */
    static List<Needle> training(RowRandom random, int count) {
        List<Needle> needles = new ArrayList<>();
        Set<String> cities = new HashSet<>(HELD_OUT_CITIES);
        while (needles.size() < count) {
            String city = random.below(2) == 0 ? random.pick(TRAINING_CITIES) : pseudoName(random);
            if (cities.add(city)) {
                needles.add(new Needle(city, number(random, false)));
            }
        }
        return needles;
    }

    /** Needles of different held-out cities with held-out numbers. */
    static List<Needle> heldOut(RowRandom random, int count) {
        List<String> cities = new ArrayList<>(HELD_OUT_CITIES);
        List<Needle> needles = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String city = cities.remove(random.below(cities.size()));
            needles.add(new Needle(city, number(random, true)));
        }
        return needles;
    }

    private static String pseudoName(RowRandom random) {
        StringBuilder name = new StringBuilder();
        int syllables = random.between(1, 4);
        for (int i = 0; i < syllables; i++) {
            String onset = random.pick(ONSETS);
            name.append(i == 0 ? onset : onset.toLowerCase(Locale.ROOT));
            name.append(random.pick(VOWELS)).append(random.pick(CODAS));
        }
        return name.toString();
    }

    private static String number(RowRandom random, boolean heldOut) {
        int number;
        do {
            number = random.between(1_000_000, 9_999_999);
        } while (isHeldOut(number) != heldOut);
        return Integer.toString(number);
    }

    static boolean isHeldOut(int number) {
        return Long.remainderUnsigned(RowRandom.mix(number), 10) == 0;
    }
}
