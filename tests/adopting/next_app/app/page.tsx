"use client";
import Photo from "./photo";

export default function Page() {
  return <Photo signOut={() => location.assign("/signed-out")} />;
}
